// SPDX-License-Identifier: Apache-2.0
// A norm without an epsilon divides by zero.
// expect: molmo: LlmConfig::layer_norm_eps, rope_theta and rope_factor must be positive
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16, .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304,
#ifdef MOLMO_MISTAKE
                                         .layer_norm_eps = 0
#else
                                         .layer_norm_eps = 1e-6
#endif
};
static_assert(molmo::Checked<config>::value);
