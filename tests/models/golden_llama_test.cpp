// SPDX-License-Identifier: Apache-2.0
// The golden models of the Llama family whose attention differs; see golden_test.cpp.
#if MOLMO_HAS_IO
#include "support/golden_configs.hpp"
#include "support/golden_model.hpp"

using namespace molmo_test;

[[maybe_unused]] static const bool registered =
    golden_config<llama_default>({"llama_default", "llama_default_bf16", "llama_default_bf16w", "llama_default_f16w"}) &&
    golden_config<llama_mha>({"llama_mha"}) && golden_config<llama_mqa>({"llama_mqa"}) && golden_config<llama_bias>({"llama_bias"}) &&
    golden_config<llama_headdim>({"llama_headdim"});
#endif
