// SPDX-License-Identifier: Apache-2.0
// No room for a single token.
// expect: molmo: LlmConfig::max_sequence_length must be positive
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16, .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304,
#ifdef MOLMO_MISTAKE
                                         .max_sequence_length = 0
#else
                                         .max_sequence_length = 1
#endif
};
static_assert(molmo::Checked<config>::value);
