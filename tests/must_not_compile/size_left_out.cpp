// SPDX-License-Identifier: Apache-2.0
// A config without a vocabulary.
// expect: molmo: LlmConfig needs positive d_model
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16, .n_layers = 2, .mlp_hidden_size = 2816,
#ifdef MOLMO_MISTAKE
                                         /* no vocab_size */
#else
                                         .vocab_size = 50304,
#endif
                                         };
static_assert(molmo::Checked<config>::value);
