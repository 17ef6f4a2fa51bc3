// SPDX-License-Identifier: Apache-2.0
// OLMo-1: published sizes, names, reader of config.json (model_type "olmo").
//
// As Llama, but its norms are LayerNorms without weights and with a fixed eps, and some releases clamp q, k and v.
#pragma once

#include <molmo/models/zoo/family.hpp>

namespace molmo::inline v0 {

inline constexpr LlmConfig olmo_1b{.d_model = 2048,
                                   .n_heads = 16,
                                   .n_layers = 16,
                                   .mlp_hidden_size = 8192,
                                   .vocab_size = 50304,
                                   .max_sequence_length = 2048,
                                   .layer_norm_type = LayerNormType::layer_norm,
                                   .layer_norm_with_weight = false,
                                   .weight_tying = true};
inline constexpr LlmConfig olmo_7b{.d_model = 4096,
                                   .n_heads = 32,
                                   .n_layers = 32,
                                   .mlp_hidden_size = 11008,
                                   .vocab_size = 50304,
                                   .max_sequence_length = 2048,
                                   .layer_norm_type = LayerNormType::layer_norm,
                                   .layer_norm_with_weight = false};
/// The releases of April and July 2024.
inline constexpr LlmConfig olmo_7b_0424{.d_model = 4096,
                                        .n_heads = 32,
                                        .n_layers = 32,
                                        .mlp_hidden_size = 11008,
                                        .vocab_size = 50304,
                                        .max_sequence_length = 4096,
                                        .layer_norm_type = LayerNormType::layer_norm,
                                        .layer_norm_with_weight = false,
                                        .clip_qkv = 8};

namespace zoo::olmo {

[[nodiscard]] inline result<LlmConfig> read(const json::Value& config) {
  json::Fields f(config);
  LlmConfig c;
  if (!f.ok()) return fail(f.error());
  detail::read_sizes(f, c);
  detail::read_rope(f, c);
  detail::refuse_windows(f);
  c.activation_type = detail::read_activation(f);
  c.layer_norm_type = LayerNormType::layer_norm;
  c.layer_norm_with_weight = false;
  c.layer_norm_eps = 1e-5;  // not a field in this family
  c.qkv_bias = c.attention_out_bias = f.boolean_or("attention_bias", false);
  c.clip_qkv = f.number_or("clip_qkv", 1e-6, 1e9, 0);
  c.weight_tying = f.boolean_or("tie_word_embeddings", false);
  return detail::finish(f, c);
}

inline constexpr Family family{"olmo", llama_names, &read};

}  // namespace zoo::olmo
}  // namespace molmo::inline v0
