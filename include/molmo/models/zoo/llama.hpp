// SPDX-License-Identifier: Apache-2.0
// Llama 2, 3, 3.1 and 3.2: published sizes, names, reader of config.json (model_type "llama").
//
// RMSNorm before attention and feed-forward, RoPE (3.1 on: with the "llama3" scaling), SwiGLU, no biases.
#pragma once

#include <molmo/models/zoo/family.hpp>

namespace molmo::inline v0 {

inline constexpr LlmConfig llama2_7b{.d_model = 4096,
                                     .n_heads = 32,
                                     .n_layers = 32,
                                     .mlp_hidden_size = 11008,
                                     .vocab_size = 32000,
                                     .max_sequence_length = 4096};
inline constexpr LlmConfig llama2_13b{.d_model = 5120,
                                      .n_heads = 40,
                                      .n_layers = 40,
                                      .mlp_hidden_size = 13824,
                                      .vocab_size = 32000,
                                      .max_sequence_length = 4096};
inline constexpr LlmConfig llama2_70b{.d_model = 8192,
                                      .n_heads = 64,
                                      .n_kv_heads = 8,
                                      .n_layers = 80,
                                      .mlp_hidden_size = 28672,
                                      .vocab_size = 32000,
                                      .max_sequence_length = 4096};

inline constexpr LlmConfig llama3_8b{.d_model = 4096,
                                     .n_heads = 32,
                                     .n_kv_heads = 8,
                                     .n_layers = 32,
                                     .mlp_hidden_size = 14336,
                                     .vocab_size = 128256,
                                     .max_sequence_length = 8192,
                                     .rope_theta = 500000};
inline constexpr LlmConfig llama3_70b{.d_model = 8192,
                                      .n_heads = 64,
                                      .n_kv_heads = 8,
                                      .n_layers = 80,
                                      .mlp_hidden_size = 28672,
                                      .vocab_size = 128256,
                                      .max_sequence_length = 8192,
                                      .rope_theta = 500000};

inline constexpr LlmConfig llama3_1_8b{.d_model = 4096,
                                       .n_heads = 32,
                                       .n_kv_heads = 8,
                                       .n_layers = 32,
                                       .mlp_hidden_size = 14336,
                                       .vocab_size = 128256,
                                       .max_sequence_length = 131072,
                                       .rope_theta = 500000,
                                       .rope_scaling = RopeScaling::llama3,
                                       .rope_factor = 8};
inline constexpr LlmConfig llama3_1_70b{.d_model = 8192,
                                        .n_heads = 64,
                                        .n_kv_heads = 8,
                                        .n_layers = 80,
                                        .mlp_hidden_size = 28672,
                                        .vocab_size = 128256,
                                        .max_sequence_length = 131072,
                                        .rope_theta = 500000,
                                        .rope_scaling = RopeScaling::llama3,
                                        .rope_factor = 8};

inline constexpr LlmConfig llama3_2_1b{.d_model = 2048,
                                       .n_heads = 32,
                                       .n_kv_heads = 8,
                                       .head_dim = 64,
                                       .n_layers = 16,
                                       .mlp_hidden_size = 8192,
                                       .vocab_size = 128256,
                                       .max_sequence_length = 131072,
                                       .rope_theta = 500000,
                                       .rope_scaling = RopeScaling::llama3,
                                       .rope_factor = 32,
                                       .weight_tying = true};
inline constexpr LlmConfig llama3_2_3b{.d_model = 3072,
                                       .n_heads = 24,
                                       .n_kv_heads = 8,
                                       .head_dim = 128,
                                       .n_layers = 28,
                                       .mlp_hidden_size = 8192,
                                       .vocab_size = 128256,
                                       .max_sequence_length = 131072,
                                       .rope_theta = 500000,
                                       .rope_scaling = RopeScaling::llama3,
                                       .rope_factor = 32,
                                       .weight_tying = true};

/// A. Karpathy's tinyllamas/stories260K: the smallest model here that tells stories.
inline constexpr LlmConfig stories260k{.d_model = 64,
                                       .n_heads = 8,
                                       .n_kv_heads = 4,
                                       .n_layers = 5,
                                       .mlp_hidden_size = 172,
                                       .vocab_size = 512,
                                       .max_sequence_length = 512,
                                       .weight_tying = true};

namespace zoo::llama {

[[nodiscard]] inline result<LlmConfig> read(const json::Value& config) {
  json::Fields f(config);
  LlmConfig c;
  if (!f.ok()) return fail(f.error());
  detail::read_sizes(f, c);
  detail::read_rope(f, c);
  detail::refuse_windows(f);
  c.activation_type = detail::read_activation(f);
  c.layer_norm_eps = f.number_or("rms_norm_eps", 0, 1, 1e-6);
  c.qkv_bias = c.attention_out_bias = f.boolean_or("attention_bias", false);
  c.mlp_bias = f.boolean_or("mlp_bias", false);
  c.weight_tying = f.boolean_or("tie_word_embeddings", false);
  return detail::finish(f, c);
}

inline constexpr Family family{"llama", llama_names, &read};

}  // namespace zoo::llama
}  // namespace molmo::inline v0
