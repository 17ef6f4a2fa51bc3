// SPDX-License-Identifier: Apache-2.0
// A negative epsilon takes roots of negative numbers. (None at all, 0, is what some checkpoints say.)
// expect: molmo: LlmConfig::layer_norm_eps must not be negative
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024,
                                         .n_heads = 16,
                                         .n_layers = 2,
                                         .mlp_hidden_size = 2816,
                                         .vocab_size = 50304,
#ifdef MOLMO_MISTAKE
                                         .layer_norm_eps = -1e-6
#else
                                         .layer_norm_eps = 0
#endif
};
static_assert(molmo::Checked<config>::value);
