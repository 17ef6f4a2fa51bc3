// SPDX-License-Identifier: Apache-2.0
// OLMo-2: published sizes, names, reader of config.json (model_type "olmo2").
//
// RMSNorm of what attention and feed-forward return (norm_after), and of the whole query and key vectors; the product
// with a norm's weight is rounded after it, not before.
#pragma once

#include <molmo/models/zoo/family.hpp>

namespace molmo::inline v0 {

inline constexpr LlmConfig olmo2_1b{.d_model = 2048,
                                    .n_heads = 16,
                                    .n_layers = 16,
                                    .mlp_hidden_size = 8192,
                                    .vocab_size = 100352,
                                    .max_sequence_length = 4096,
                                    .norm_after = true,
                                    .layer_norm_eps = 1e-6,
                                    .norm_order = NormOrder::scale_then_cast,
                                    .attention_layer_norm = QkNorm::whole,
                                    .rope_theta = 5e5};
inline constexpr LlmConfig olmo2_7b{.d_model = 4096,
                                    .n_heads = 32,
                                    .n_layers = 32,
                                    .mlp_hidden_size = 11008,
                                    .vocab_size = 100352,
                                    .max_sequence_length = 4096,
                                    .norm_after = true,
                                    .layer_norm_eps = 1e-6,
                                    .norm_order = NormOrder::scale_then_cast,
                                    .attention_layer_norm = QkNorm::whole,
                                    .rope_theta = 5e5};
inline constexpr LlmConfig olmo2_13b{.d_model = 5120,
                                     .n_heads = 40,
                                     .n_layers = 40,
                                     .mlp_hidden_size = 13824,
                                     .vocab_size = 100352,
                                     .max_sequence_length = 4096,
                                     .norm_after = true,
                                     .layer_norm_eps = 1e-6,
                                     .norm_order = NormOrder::scale_then_cast,
                                     .attention_layer_norm = QkNorm::whole,
                                     .rope_theta = 5e5};
inline constexpr LlmConfig olmo2_32b{.d_model = 5120,
                                     .n_heads = 40,
                                     .n_kv_heads = 8,
                                     .n_layers = 64,
                                     .mlp_hidden_size = 27648,
                                     .vocab_size = 100352,
                                     .max_sequence_length = 4096,
                                     .norm_after = true,
                                     .layer_norm_eps = 1e-6,
                                     .norm_order = NormOrder::scale_then_cast,
                                     .attention_layer_norm = QkNorm::whole,
                                     .rope_theta = 5e5};

namespace zoo::olmo2 {

[[nodiscard]] inline result<LlmConfig> read(const json::Value& config) {
  json::Fields f(config);
  LlmConfig c;
  if (!f.ok()) return fail(f.error());
  detail::read_sizes(f, c);
  detail::read_rope(f, c);
  detail::refuse_windows(f);
  c.activation_type = detail::read_activation(f);
  c.norm_after = true;
  c.norm_order = NormOrder::scale_then_cast;
  c.layer_norm_eps = f.number_or("rms_norm_eps", 0, 1, 1e-5);
  c.qkv_bias = c.attention_out_bias = f.boolean_or("attention_bias", false);
  c.attention_layer_norm = QkNorm::whole;
  c.weight_tying = f.boolean_or("tie_word_embeddings", false);
  return detail::finish(f, c);
}

inline constexpr Family family{"olmo2", olmo2_names, &read};

}  // namespace zoo::olmo2
}  // namespace molmo::inline v0
