// SPDX-License-Identifier: Apache-2.0
// Qwen3 (dense): published sizes, names, reader of config.json (model_type "qwen3").
//
// As Qwen2 without its biases, but with RMSNorm of every query and key head before RoPE, and with a head_dim of its
// own.
#pragma once

#include <molmo/models/zoo/family.hpp>

namespace molmo::inline v0 {

inline constexpr LlmConfig qwen3_0_6b{.d_model = 1024,
                                      .n_heads = 16,
                                      .n_kv_heads = 8,
                                      .head_dim = 128,
                                      .n_layers = 28,
                                      .mlp_hidden_size = 3072,
                                      .vocab_size = 151936,
                                      .max_sequence_length = 40960,
                                      .layer_norm_eps = 1e-6,
                                      .attention_layer_norm = QkNorm::per_head,
                                      .rope_theta = 1e6,
                                      .weight_tying = true};
inline constexpr LlmConfig qwen3_1_7b{.d_model = 2048,
                                      .n_heads = 16,
                                      .n_kv_heads = 8,
                                      .head_dim = 128,
                                      .n_layers = 28,
                                      .mlp_hidden_size = 6144,
                                      .vocab_size = 151936,
                                      .max_sequence_length = 40960,
                                      .layer_norm_eps = 1e-6,
                                      .attention_layer_norm = QkNorm::per_head,
                                      .rope_theta = 1e6,
                                      .weight_tying = true};
inline constexpr LlmConfig qwen3_4b{.d_model = 2560,
                                    .n_heads = 32,
                                    .n_kv_heads = 8,
                                    .head_dim = 128,
                                    .n_layers = 36,
                                    .mlp_hidden_size = 9728,
                                    .vocab_size = 151936,
                                    .max_sequence_length = 40960,
                                    .layer_norm_eps = 1e-6,
                                    .attention_layer_norm = QkNorm::per_head,
                                    .rope_theta = 1e6,
                                    .weight_tying = true};
inline constexpr LlmConfig qwen3_8b{.d_model = 4096,
                                    .n_heads = 32,
                                    .n_kv_heads = 8,
                                    .head_dim = 128,
                                    .n_layers = 36,
                                    .mlp_hidden_size = 12288,
                                    .vocab_size = 151936,
                                    .max_sequence_length = 40960,
                                    .layer_norm_eps = 1e-6,
                                    .attention_layer_norm = QkNorm::per_head,
                                    .rope_theta = 1e6};
inline constexpr LlmConfig qwen3_14b{.d_model = 5120,
                                     .n_heads = 40,
                                     .n_kv_heads = 8,
                                     .head_dim = 128,
                                     .n_layers = 40,
                                     .mlp_hidden_size = 17408,
                                     .vocab_size = 151936,
                                     .max_sequence_length = 40960,
                                     .layer_norm_eps = 1e-6,
                                     .attention_layer_norm = QkNorm::per_head,
                                     .rope_theta = 1e6};
inline constexpr LlmConfig qwen3_32b{.d_model = 5120,
                                     .n_heads = 64,
                                     .n_kv_heads = 8,
                                     .head_dim = 128,
                                     .n_layers = 64,
                                     .mlp_hidden_size = 25600,
                                     .vocab_size = 151936,
                                     .max_sequence_length = 40960,
                                     .layer_norm_eps = 1e-6,
                                     .attention_layer_norm = QkNorm::per_head,
                                     .rope_theta = 1e6};

namespace zoo::qwen3 {

[[nodiscard]] inline result<LlmConfig> read(const json::Value& config) {
  json::Fields f(config);
  LlmConfig c;
  if (!f.ok()) return fail(f.error());
  detail::read_sizes(f, c, 128);
  detail::read_rope(f, c);
  detail::refuse_windows(f, 28);
  c.activation_type = detail::read_activation(f);
  c.layer_norm_eps = f.number_or("rms_norm_eps", 0, 1, 1e-6);
  c.qkv_bias = c.attention_out_bias = f.boolean_or("attention_bias", false);
  c.attention_layer_norm = QkNorm::per_head;
  c.weight_tying = f.boolean_or("tie_word_embeddings", false);
  return detail::finish(f, c);
}

inline constexpr Family family{"qwen3", llama_names, &read};

}  // namespace zoo::qwen3
}  // namespace molmo::inline v0
