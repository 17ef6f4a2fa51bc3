// SPDX-License-Identifier: Apache-2.0
// RoPE rotates pairs.
// expect: molmo: LlmConfig::head_dim must be even
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16,
#ifdef MOLMO_MISTAKE
                                         .head_dim = 63,
#else
                                         .head_dim = 64,
#endif
                                         .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304};
static_assert(molmo::Checked<config>::value);
