// SPDX-License-Identifier: Apache-2.0
// Configs in words: config_text(c) is the C++ line that makes c; differences(type, file) is the report of a mismatch.
//
// Both walk over one list of the fields, for_each_field. max_sequence_length is no part of the fit: it is how long a
// session may be, not what the weights are.
#pragma once

#include <molmo/core/config.hpp>
#include <molmo/core/text.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace molmo::inline v0 {

[[nodiscard]] constexpr std::string_view name_of(BlockType t) { return t == BlockType::llama ? "llama" : "sequential"; }
[[nodiscard]] constexpr std::string_view name_of(LayerNormType t) {
  return t == LayerNormType::rms ? "rms" : "layer_norm";
}
[[nodiscard]] constexpr std::string_view name_of(NormOrder o) {
  return o == NormOrder::cast_then_scale ? "cast_then_scale" : "scale_then_cast";
}
[[nodiscard]] constexpr std::string_view name_of(QkNorm n) {
  return n == QkNorm::none ? "none" : n == QkNorm::whole ? "whole" : "per_head";
}
[[nodiscard]] constexpr std::string_view name_of(RopeScaling s) { return s == RopeScaling::none ? "none" : "llama3"; }
[[nodiscard]] constexpr std::string_view name_of(ActivationType a) {
  constexpr std::string_view names[] = {"silu", "gelu", "gelu_tanh", "quick_gelu", "relu"};
  return names[static_cast<std::size_t>(a)];
}

/// Calls f("name", &LlmConfig::member) for every field, in the order of the struct.
template <class F>
constexpr void for_each_field(F&& f) {
  using C = LlmConfig;
  f("d_model", &C::d_model);
  f("n_heads", &C::n_heads);
  f("n_kv_heads", &C::n_kv_heads);
  f("head_dim", &C::head_dim);
  f("n_layers", &C::n_layers);
  f("mlp_hidden_size", &C::mlp_hidden_size);
  f("vocab_size", &C::vocab_size);
  f("embedding_size", &C::embedding_size);
  f("additional_vocab_size", &C::additional_vocab_size);
  f("max_sequence_length", &C::max_sequence_length);
  f("block_type", &C::block_type);
  f("norm_after", &C::norm_after);
  f("activation_type", &C::activation_type);
  f("gated", &C::gated);
  f("layer_norm_type", &C::layer_norm_type);
  f("layer_norm_with_weight", &C::layer_norm_with_weight);
  f("layer_norm_with_bias", &C::layer_norm_with_bias);
  f("layer_norm_eps", &C::layer_norm_eps);
  f("norm_order", &C::norm_order);
  f("qkv_bias", &C::qkv_bias);
  f("attention_out_bias", &C::attention_out_bias);
  f("mlp_bias", &C::mlp_bias);
  f("attention_layer_norm", &C::attention_layer_norm);
  f("clip_qkv", &C::clip_qkv);
  f("rope_theta", &C::rope_theta);
  f("rope_scaling", &C::rope_scaling);
  f("rope_factor", &C::rope_factor);
  f("rope_low_freq_factor", &C::rope_low_freq_factor);
  f("rope_high_freq_factor", &C::rope_high_freq_factor);
  f("rope_original_max_position", &C::rope_original_max_position);
  f("weight_tying", &C::weight_tying);
}

/// The same model with every "0 means ..." written out and every field without effect at its default, so that ==
/// compares models.
[[nodiscard]] constexpr LlmConfig normalised(LlmConfig c) {
  const LlmConfig fresh{};
  if (c.head_dim == 0 && c.n_heads > 0) c.head_dim = c.head_size();
  c.n_kv_heads = c.kv_heads();
  c.embedding_size = c.embedding_rows();
  c.max_sequence_length = fresh.max_sequence_length;
  if (c.rope_scaling == RopeScaling::none) {
    c.rope_factor = fresh.rope_factor;
    c.rope_low_freq_factor = fresh.rope_low_freq_factor;
    c.rope_high_freq_factor = fresh.rope_high_freq_factor;
    c.rope_original_max_position = fresh.rope_original_max_position;
  }
  if (c.layer_norm_type != LayerNormType::rms || !c.layer_norm_with_weight) c.norm_order = fresh.norm_order;
  return c;
}

/// Do the two configs describe the same model (of whatever max_sequence_length)?
[[nodiscard]] constexpr bool same_model(const LlmConfig& a, const LlmConfig& b) {
  return normalised(a) == normalised(b);
}

namespace detail {
template <class T>
[[nodiscard]] std::string field_text(T value) {
  if constexpr (std::is_enum_v<T>)
    return std::string(name_of(value));
  else
    return text(value);
}
[[nodiscard]] constexpr std::string_view enum_name(BlockType) { return "BlockType"; }
[[nodiscard]] constexpr std::string_view enum_name(LayerNormType) { return "LayerNormType"; }
[[nodiscard]] constexpr std::string_view enum_name(NormOrder) { return "NormOrder"; }
[[nodiscard]] constexpr std::string_view enum_name(QkNorm) { return "QkNorm"; }
[[nodiscard]] constexpr std::string_view enum_name(RopeScaling) { return "RopeScaling"; }
[[nodiscard]] constexpr std::string_view enum_name(ActivationType) { return "ActivationType"; }
}  // namespace detail

/// Every field in which the checkpoint is another model than the type: "d_model: the type has 1024, the checkpoint
/// 2048".
[[nodiscard]] inline std::vector<std::string> differences(const LlmConfig& type, const LlmConfig& file) {
  LlmConfig a = normalised(type), b = normalised(file);
  if (a.embedding_size == a.vocab_size && b.embedding_size == b.vocab_size)
    b.embedding_size = a.embedding_size;   // said by vocab_size
  if (a.rope_scaling != b.rope_scaling) {  // one difference, not five
    b.rope_factor = a.rope_factor;
    b.rope_low_freq_factor = a.rope_low_freq_factor;
    b.rope_high_freq_factor = a.rope_high_freq_factor;
    b.rope_original_max_position = a.rope_original_max_position;
  }
  std::vector<std::string> out;
  for_each_field([&](std::string_view name, auto member) {
    if (a.*member != b.*member)
      out.push_back(text(name, ": the type has ", detail::field_text(a.*member), ", the checkpoint ",
                         detail::field_text(b.*member)));
  });
  return out;
}

/// The line to add to a program to compile this model in: `inline constexpr molmo::LlmConfig my_model{.d_model = ...};`
[[nodiscard]] inline std::string config_text(const LlmConfig& config, std::string_view name = "my_model") {
  const LlmConfig fresh{};
  std::string out = text("inline constexpr molmo::LlmConfig ", name, "{");
  bool first = true;
  for_each_field([&](std::string_view field, auto member) {
    const auto value = config.*member;
    if (value == fresh.*member) return;
    out += text(first ? "." : ", .", field, " = ");
    if constexpr (std::is_enum_v<std::remove_const_t<decltype(value)>>)
      out += text("molmo::", detail::enum_name(value), "::");
    out += detail::field_text(value);
    first = false;
  });
  return out + "};";
}

/// How unlike two models are: 0 for the same model; a factor of two in a size counts 1, a differing switch 2.
[[nodiscard]] inline double config_distance(const LlmConfig& one, const LlmConfig& other) {
  const LlmConfig a = normalised(one), b = normalised(other);
  double sum = 0;
  for_each_field([&](std::string_view, auto member) {
    const auto x = a.*member, y = b.*member;
    if (x == y) return;
    if constexpr (std::is_arithmetic_v<std::remove_const_t<decltype(x)>> &&
                  !std::is_same_v<std::remove_const_t<decltype(x)>, bool>)
      sum += x > 0 && y > 0 ? std::abs(std::log2(static_cast<double>(x) / static_cast<double>(y))) : 2.0;
    else
      sum += 2.0;
  });
  return sum;
}

/// The index of the config most like `wanted` (the first on ties), for a message; 0 where there is none.
[[nodiscard]] inline std::size_t nearest_config(const LlmConfig& wanted, std::span<const LlmConfig> candidates) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i)
    if (config_distance(wanted, candidates[i]) < config_distance(wanted, candidates[best])) best = i;
  return best;
}

}  // namespace molmo::inline v0
