// SPDX-License-Identifier: Apache-2.0
// A negative number of kv heads divides the heads, and is nonsense.
// expect: molmo: LlmConfig::n_kv_heads, head_dim, embedding_size, additional_vocab_size and clip_qkv must not be negative
#include <molmo/core/config.hpp>

inline constexpr molmo::LlmConfig config{.d_model = 1024, .n_heads = 16,
#ifdef MOLMO_MISTAKE
                                         .n_kv_heads = -4,
#else
                                         .n_kv_heads = 4,
#endif
                                         .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304};
static_assert(molmo::Checked<config>::value);
