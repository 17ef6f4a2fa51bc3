// SPDX-License-Identifier: Apache-2.0
// The golden models of the Qwen families; see golden_test.cpp.
#if MOLMO_HAS_IO
#include "support/golden_configs.hpp"
#include "support/golden_model.hpp"

using namespace molmo_test;

[[maybe_unused]] static const bool registered =
    golden_config<qwen2>({"qwen2", "qwen2_bf16"}) && golden_config<qwen3>({"qwen3"});
#endif
