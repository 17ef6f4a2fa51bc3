// SPDX-License-Identifier: Apache-2.0
// Fewer rows than tokens.
// expect: molmo: LlmConfig::embedding_size must not be smaller
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16, .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304,
#ifdef MOLMO_MISTAKE
                                         .embedding_size = 50257
#else
                                         .embedding_size = 50432
#endif
                                         };
static_assert(molmo::Checked<config>::value);
