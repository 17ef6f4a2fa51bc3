// SPDX-License-Identifier: Apache-2.0
// The golden models of the OLMo families; see golden_test.cpp.
#if MOLMO_HAS_IO
#include "support/golden_configs.hpp"
#include "support/golden_model.hpp"

using namespace molmo_test;

[[maybe_unused]] static const bool registered =
    golden_config<olmo>({"olmo"}) && golden_config<olmo_noclip>({"olmo_noclip"}) &&
    golden_config<olmo2>({"olmo2", "olmo2_bf16", "olmo2_bf16w"});
#endif
