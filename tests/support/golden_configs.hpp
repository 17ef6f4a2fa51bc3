// SPDX-License-Identifier: Apache-2.0
// The configs of the golden models, written by hand from tests/data/golden/<case>/config.json: that load() accepts them
// is part of what the tests check.
#pragma once

#include <molmo/core/config.hpp>

namespace molmo_test {

using molmo::ActivationType;
using molmo::LayerNormType;
using molmo::LlmConfig;
using molmo::NormOrder;
using molmo::QkNorm;
using molmo::RopeScaling;

inline constexpr LlmConfig llama_default{.d_model = 48, .n_heads = 6, .n_kv_heads = 2, .n_layers = 2, .mlp_hidden_size = 40,
                                         .vocab_size = 61, .max_sequence_length = 64, .layer_norm_eps = 1e-6};

inline constexpr LlmConfig llama_mha = [] {
  LlmConfig c = llama_default;
  c.n_kv_heads = 0;
  c.n_layers = 1;
  return c;
}();
inline constexpr LlmConfig llama_mqa = [] {
  LlmConfig c = llama_default;
  c.n_kv_heads = 1;
  c.n_layers = 1;
  c.rope_theta = 300;
  return c;
}();
inline constexpr LlmConfig llama_bias = [] {
  LlmConfig c = llama_default;
  c.qkv_bias = c.attention_out_bias = c.mlp_bias = true;
  c.layer_norm_eps = 0.05;
  return c;
}();
inline constexpr LlmConfig llama_headdim = [] {
  LlmConfig c = llama_default;
  c.head_dim = 12;
  c.n_layers = 1;
  return c;
}();
inline constexpr LlmConfig llama_tied = [] {
  LlmConfig c = llama_default;
  c.n_layers = 1;
  c.weight_tying = true;
  return c;
}();
inline constexpr LlmConfig llama_llama3rope = [] {
  LlmConfig c = llama_default;
  c.rope_scaling = RopeScaling::llama3;
  c.rope_factor = 8;
  c.rope_original_max_position = 16;
  return c;
}();
inline constexpr LlmConfig llama_llama3rope_bands = [] {
  LlmConfig c = llama_llama3rope;
  c.head_dim = 16;
  c.n_layers = 1;
  c.rope_original_max_position = 32;
  return c;
}();
inline constexpr LlmConfig llama_llama3rope_long = [] {
  LlmConfig c = llama_llama3rope;
  c.head_dim = 20;
  c.n_layers = 1;
  c.max_sequence_length = 2048;
  c.rope_theta = 5e5;
  c.rope_factor = 32;
  c.rope_original_max_position = 24;
  return c;
}();
inline constexpr LlmConfig with_activation(ActivationType a) {
  LlmConfig c = llama_default;
  c.n_layers = 1;
  c.activation_type = a;
  return c;
}
inline constexpr LlmConfig llama_gelu = with_activation(ActivationType::gelu);
inline constexpr LlmConfig llama_gelu_tanh = with_activation(ActivationType::gelu_tanh);
inline constexpr LlmConfig llama_relu = with_activation(ActivationType::relu);

inline constexpr LlmConfig qwen2 = [] {
  LlmConfig c = llama_default;
  c.qkv_bias = true;
  return c;
}();
inline constexpr LlmConfig qwen3 = [] {
  LlmConfig c = llama_default;
  c.head_dim = 12;
  c.layer_norm_eps = 0.05;
  c.attention_layer_norm = QkNorm::per_head;
  return c;
}();
inline constexpr LlmConfig olmo = [] {
  LlmConfig c = llama_default;
  c.layer_norm_type = LayerNormType::layer_norm;
  c.layer_norm_with_weight = false;
  c.layer_norm_eps = 1e-5;
  c.clip_qkv = 0.5;
  return c;
}();
inline constexpr LlmConfig olmo_noclip = [] {
  LlmConfig c = olmo;
  c.n_layers = 1;
  c.clip_qkv = 0;
  return c;
}();
inline constexpr LlmConfig olmo2 = [] {
  LlmConfig c = llama_default;
  c.norm_after = true;
  c.norm_order = NormOrder::scale_then_cast;
  c.layer_norm_eps = 1e-5;
  c.attention_layer_norm = QkNorm::whole;
  return c;
}();

}  // namespace molmo_test
