// SPDX-License-Identifier: Apache-2.0
// Qwen2 and Qwen2.5 (dense): published sizes, names, reader of config.json (model_type "qwen2").
//
// As Llama, with biases on q, k and v. The sizes are those of the base models; where both generations have one size, it
// has one config. A fine-tuned model that differs (in layer_norm_eps, say) is reported as a mismatch, by field.
#pragma once

#include <molmo/models/zoo/family.hpp>

namespace molmo::inline v0 {

inline constexpr LlmConfig qwen2_5_0_5b{.d_model = 896,
                                        .n_heads = 14,
                                        .n_kv_heads = 2,
                                        .n_layers = 24,
                                        .mlp_hidden_size = 4864,
                                        .vocab_size = 151936,
                                        .max_sequence_length = 32768,
                                        .layer_norm_eps = 1e-6,
                                        .qkv_bias = true,
                                        .rope_theta = 1e6,
                                        .weight_tying = true};
inline constexpr LlmConfig qwen2_5_1_5b{.d_model = 1536,
                                        .n_heads = 12,
                                        .n_kv_heads = 2,
                                        .n_layers = 28,
                                        .mlp_hidden_size = 8960,
                                        .vocab_size = 151936,
                                        .max_sequence_length = 131072,
                                        .layer_norm_eps = 1e-6,
                                        .qkv_bias = true,
                                        .rope_theta = 1e6,
                                        .weight_tying = true};
inline constexpr LlmConfig qwen2_5_3b{.d_model = 2048,
                                      .n_heads = 16,
                                      .n_kv_heads = 2,
                                      .n_layers = 36,
                                      .mlp_hidden_size = 11008,
                                      .vocab_size = 151936,
                                      .max_sequence_length = 32768,
                                      .layer_norm_eps = 1e-6,
                                      .qkv_bias = true,
                                      .rope_theta = 1e6,
                                      .weight_tying = true};
inline constexpr LlmConfig qwen2_5_7b{.d_model = 3584,
                                      .n_heads = 28,
                                      .n_kv_heads = 4,
                                      .n_layers = 28,
                                      .mlp_hidden_size = 18944,
                                      .vocab_size = 152064,
                                      .max_sequence_length = 131072,
                                      .layer_norm_eps = 1e-6,
                                      .qkv_bias = true,
                                      .rope_theta = 1e6};
inline constexpr LlmConfig qwen2_5_14b{.d_model = 5120,
                                       .n_heads = 40,
                                       .n_kv_heads = 8,
                                       .n_layers = 48,
                                       .mlp_hidden_size = 13824,
                                       .vocab_size = 152064,
                                       .max_sequence_length = 131072,
                                       .layer_norm_eps = 1e-5,
                                       .qkv_bias = true,
                                       .rope_theta = 1e6};
inline constexpr LlmConfig qwen2_5_32b{.d_model = 5120,
                                       .n_heads = 40,
                                       .n_kv_heads = 8,
                                       .n_layers = 64,
                                       .mlp_hidden_size = 27648,
                                       .vocab_size = 152064,
                                       .max_sequence_length = 131072,
                                       .layer_norm_eps = 1e-5,
                                       .qkv_bias = true,
                                       .rope_theta = 1e6};
inline constexpr LlmConfig qwen2_5_72b{.d_model = 8192,
                                       .n_heads = 64,
                                       .n_kv_heads = 8,
                                       .n_layers = 80,
                                       .mlp_hidden_size = 29568,
                                       .vocab_size = 152064,
                                       .max_sequence_length = 131072,
                                       .layer_norm_eps = 1e-5,
                                       .qkv_bias = true,
                                       .rope_theta = 1e6};

inline constexpr LlmConfig qwen2_0_5b = qwen2_5_0_5b;
inline constexpr LlmConfig qwen2_1_5b = qwen2_5_1_5b;
inline constexpr LlmConfig qwen2_7b = qwen2_5_7b;
inline constexpr LlmConfig qwen2_72b = qwen2_5_72b;

namespace zoo::qwen2 {

[[nodiscard]] inline result<LlmConfig> read(const json::Value& config) {
  json::Fields f(config);
  LlmConfig c;
  if (!f.ok()) return fail(f.error());
  detail::read_sizes(f, c);
  detail::read_rope(f, c);
  detail::refuse_windows(f, 28);
  c.activation_type = detail::read_activation(f);
  c.layer_norm_eps = f.number_or("rms_norm_eps", 0, 1, 1e-6);
  c.qkv_bias = true;  // not a switch in this family
  c.weight_tying = f.boolean_or("tie_word_embeddings", false);
  return detail::finish(f, c);
}

inline constexpr Family family{"qwen2", llama_names, &read};

}  // namespace zoo::qwen2
}  // namespace molmo::inline v0
