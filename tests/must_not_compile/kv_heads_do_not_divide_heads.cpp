// SPDX-License-Identifier: Apache-2.0
// 16 heads cannot share 5 kv heads.
// expect: molmo: LlmConfig::n_heads must be a multiple of n_kv_heads
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16,
#ifdef MOLMO_MISTAKE
                                         .n_kv_heads = 5,
#else
                                         .n_kv_heads = 4,
#endif
                                         .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304};
static_assert(molmo::Checked<config>::value);
