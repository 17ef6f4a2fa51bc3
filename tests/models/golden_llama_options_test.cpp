// SPDX-License-Identifier: Apache-2.0
// The golden models of the Llama family with other heads, positions and activations; see golden_test.cpp.
#if MOLMO_HAS_IO
#include "support/golden_configs.hpp"
#include "support/golden_model.hpp"

using namespace molmo_test;

[[maybe_unused]] static const bool registered =
    golden_config<llama_tied>({"llama_tied"}) && golden_config<llama_llama3rope>({"llama_llama3rope"}) &&
    golden_config<llama_llama3rope_bands>({"llama_llama3rope_bands"}) &&
    golden_config<llama_llama3rope_long>({"llama_llama3rope_long"}) && golden_config<llama_gelu>({"llama_gelu"}) &&
    golden_config<llama_gelu_tanh>({"llama_gelu_tanh"}) && golden_config<llama_relu>({"llama_relu"});
#endif
