// SPDX-License-Identifier: Apache-2.0
// Family: what a family of decoders is to us: its model_type, its name table and the reader of its config.json.
//
// Below it the lines that all readers share. They take the values from the file, never from memory: a size must be
// there, a switch may be missing and then has the default of Hugging Face's configuration class. Every number has a
// range, and what contradicts itself or cannot be run (other rope types, sliding windows) is refused with the names of
// the fields.
#pragma once

#include <molmo/core/config.hpp>
#include <molmo/core/result.hpp>
#include <molmo/io/json_value.hpp>
#include <molmo/models/zoo/names.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace molmo::inline v0::zoo {

struct Family {
  std::string_view model_type;  ///< as in config.json
  std::span<const NamePair> names;
  result<LlmConfig> (*read)(const json::Value& config);
};

namespace detail {

inline constexpr std::int64_t max_width = std::int64_t{1} << 20;  // of hidden states
inline constexpr std::int64_t max_heads = std::int64_t{1} << 14;
inline constexpr std::int64_t max_layers = 4096;
inline constexpr std::int64_t max_inner = std::int64_t{1} << 24;  // of the feed-forward, and of all heads together
inline constexpr std::int64_t max_vocabulary = std::int64_t{1} << 26;
inline constexpr std::int64_t max_positions = std::int64_t{1} << 40;

/// The sizes of every decoder. `head_dim` is the default where config.json has none; 0: hidden_size /
/// num_attention_heads.
inline void read_sizes(json::Fields& f, LlmConfig& c, index_t head_dim = 0) {
  c.d_model = f.integer("hidden_size", 1, max_width);
  c.n_heads = f.integer("num_attention_heads", 1, max_heads);
  c.n_kv_heads = f.integer_or("num_key_value_heads", 1, max_heads, c.n_heads);
  c.n_layers = f.integer("num_hidden_layers", 1, max_layers);
  c.mlp_hidden_size = f.integer("intermediate_size", 1, max_inner);
  c.vocab_size = f.integer("vocab_size", 1, max_vocabulary);
  c.max_sequence_length = f.integer_or("max_position_embeddings", 1, max_positions, 2048);
  c.head_dim = f.integer_or("head_dim", 1, max_inner, head_dim);
  if (!f.ok()) return;
  if (c.head_dim == 0) {
    if (c.d_model % c.n_heads != 0)
      f.refuse(errc::format, text("hidden_size ", c.d_model, " is no multiple of num_attention_heads ", c.n_heads,
                                  ", and there is no head_dim"));
    c.head_dim = c.d_model / c.n_heads;
  }
  if (c.head_dim % 2 != 0)
    f.refuse(errc::format, text("head_dim is ", c.head_dim, ", but must be even, because RoPE rotates pairs"));
  if (c.n_kv_heads > c.n_heads || c.n_heads % c.n_kv_heads != 0)
    f.refuse(errc::format,
             text("num_attention_heads ", c.n_heads, " is no multiple of num_key_value_heads ", c.n_kv_heads));
  if (c.head_dim > max_inner / c.n_heads)
    f.refuse(errc::format, text("num_attention_heads ", c.n_heads, " times head_dim ", c.head_dim, " is more than the ",
                                max_inner, " allowed"));
}

[[nodiscard]] inline ActivationType read_activation(json::Fields& f, std::string_view otherwise = "silu") {
  const std::string_view name = f.string_or("hidden_act", otherwise);
  if (name == "silu" || name == "swish") return ActivationType::silu;
  if (name == "gelu" || name == "gelu_python") return ActivationType::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast" || name == "gelu_accurate")
    return ActivationType::gelu_tanh;
  if (name == "quick_gelu") return ActivationType::quick_gelu;
  if (name == "relu") return ActivationType::relu;
  f.refuse(errc::unsupported, text("hidden_act ", in_quotes(name),
                                   " is not known; known are silu, gelu, gelu_python, gelu_new, gelu_pytorch_tanh, "
                                   "gelu_fast, gelu_accurate, quick_gelu and relu"));
  return ActivationType::silu;
}

/// One object of rope parameters: `rope_scaling` (before transformers 5) or `rope_parameters`.
inline void read_rope_object(json::Fields& f, std::string_view name, LlmConfig& c) {
  const json::Value& object = *f.object().present(name);
  json::Fields r(object, text(name, "."));
  if (r.ok() && r.has("rope_type") && r.has("type") && r.string("rope_type") != r.string("type"))
    r.refuse(errc::format, text(name, " has rope_type and type, and they differ"));
  const std::string_view type = r.has("rope_type") ? r.string("rope_type") : r.string_or("type", "default");
  if (r.has("rope_theta")) c.rope_theta = r.number("rope_theta", 1, 1e15);
  if (r.ok() && type == "llama3") {
    c.rope_scaling = RopeScaling::llama3;
    c.rope_factor = r.number("factor", 1, 1e6);
    c.rope_low_freq_factor = r.number("low_freq_factor", 1e-6, 1e6);
    c.rope_high_freq_factor = r.number("high_freq_factor", 1e-6, 1e6);
    c.rope_original_max_position = r.integer("original_max_position_embeddings", 1, max_positions);
    if (r.ok() && c.rope_low_freq_factor >= c.rope_high_freq_factor)
      r.refuse(errc::format, text(name, ": low_freq_factor ", c.rope_low_freq_factor,
                                  " must be below high_freq_factor ", c.rope_high_freq_factor));
  } else if (r.ok() && type != "default" && !(type == "linear" && r.number("factor", 1e-6, 1e6) == 1)) {
    r.refuse(errc::unsupported, text(name, " asks for rope type ", in_quotes(type),
                                     "; this version knows default, llama3, and linear with a factor of 1"));
  }
  if (r.ok() && r.number_or("partial_rotary_factor", 0, 1, 1) != 1)
    r.refuse(errc::unsupported,
             text(name, ".partial_rotary_factor: heads that are rotated in part are not known to this version"));
  for (std::size_t i = 0; r.ok() && i < object.size(); ++i)
    if (object[i].is_object())
      r.refuse(errc::unsupported, text(name, " has other parameters for ", in_quotes(object.key(i)),
                                       ": layers that differ are not known to this version"));
  if (!r.ok()) f.refuse(r.error().code, r.error().message);
}

/// RoPE, in the form before transformers 5 and in that of transformers 5. Both may be there if they agree.
inline void read_rope(json::Fields& f, LlmConfig& c, double theta = 10000) {
  c.rope_theta = f.number_or("rope_theta", 1, 1e15, theta);
  if (f.number_or("partial_rotary_factor", 0, 1, 1) != 1)
    f.refuse(errc::unsupported, "partial_rotary_factor: heads that are rotated in part are not known to this version");
  const LlmConfig outside = c;
  if (f.ok() && f.has("rope_scaling")) read_rope_object(f, "rope_scaling", c);
  LlmConfig old_form = c;
  if (f.ok() && f.has("rope_parameters")) {
    c = outside;
    read_rope_object(f, "rope_parameters", c);
    if (!f.has("rope_theta")) old_form.rope_theta = c.rope_theta;  // the old form had it outside
    if (f.ok() && f.has("rope_scaling") && !(c == old_form))
      f.refuse(errc::format, "rope_scaling and rope_parameters contradict each other");
  }
  if (f.ok() && f.has("rope_theta") && c.rope_theta != outside.rope_theta)
    f.refuse(errc::format,
             text("rope_theta is ", outside.rope_theta, " outside and ", c.rope_theta, " inside the rope parameters"));
}

/// Sliding windows and layers of several kinds are refused, not ignored. One that no layer has is none: layer_types
/// says which layers slide; where that is missing, those from max_window_layers (or else `first_sliding`) on.
inline void refuse_windows(json::Fields& f, index_t first_sliding = 0) {
  const json::Value* kinds = f.object().present("layer_types");
  const json::Value* window = f.object().find("sliding_window");
  const bool slides = f.boolean_or("use_sliding_window", false) && !(window && window->is_null());
  if (slides && !kinds) {
    const index_t from = f.integer_or("max_window_layers", 0, max_layers, first_sliding);
    if (f.ok() && from < f.integer("num_hidden_layers", 1, max_layers))
      f.refuse(errc::unsupported, text("use_sliding_window is true, and layers slide from max_window_layers ", from,
                                       " on: sliding windows are not known to this version"));
  }
  if (kinds && !kinds->is_array())
    f.refuse(errc::format, text("field 'layer_types' must be an array, but is ", kinds->describe()));
  for (std::size_t i = 0; f.ok() && kinds && i < kinds->size(); ++i) {
    const result<std::string_view> kind = (*kinds)[i].as_string("layer_types");
    if (!kind)
      f.refuse(kind.error().code, kind.error().message);
    else if (*kind != "full_attention")
      f.refuse(errc::unsupported,
               text("layer_types asks for ", in_quotes(*kind), " in layer ", i, ": this version knows full_attention"));
  }
}

/// The last line of every reader.
[[nodiscard]] inline result<LlmConfig> finish(const json::Fields& f, const LlmConfig& c) {
  if (!f.ok()) return fail(f.error());
  return c;
}

}  // namespace detail

}  // namespace molmo::inline v0::zoo
