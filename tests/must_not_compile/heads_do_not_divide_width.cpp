// SPDX-License-Identifier: Apache-2.0
// 12 heads in a width of 1024.
// expect: molmo: LlmConfig::d_model must be a multiple of n_heads
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024,
#ifdef MOLMO_MISTAKE
                                         .n_heads = 12,
#else
                                         .n_heads = 16,
#endif
                                         .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304};
static_assert(molmo::Checked<config>::value);
