// SPDX-License-Identifier: Apache-2.0
// GenerationConfig: how a checkpoint wants to be sampled: generation_config.json, and config.json where that is silent.
//
// Every field is optional: what neither file says stays empty, run/ has the defaults. Values out of range are errors.
// Fields by which a file asks for what this library does not do are listed by name, so that nobody wonders at another
// text.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/json_file.hpp>
#include <molmo/io/json_value.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

struct GenerationConfig {
  std::optional<std::int64_t> bos_token_id;
  std::optional<std::int64_t> pad_token_id;
  std::vector<std::int64_t> eos_token_ids;  ///< any of them ends the text; empty: none is known
  std::optional<bool> do_sample;
  std::optional<double> temperature;  ///< 0 means greedy
  std::optional<std::int64_t> top_k;  ///< 0: off
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<std::int64_t> max_new_tokens;
  std::optional<std::int64_t> max_length;  ///< prompt included
  std::vector<std::string> ignored;        ///< fields that change the text in Hugging Face's generate(), but not here

  friend bool operator==(const GenerationConfig&, const GenerationConfig&) = default;
};

namespace detail {

inline constexpr std::int64_t max_token_id = (std::numeric_limits<std::int32_t>::max)();

/// An id, or an id of -1, by which some checkpoints say that there is none.
inline void read_token_id(json::Fields& f, std::string_view name, std::optional<std::int64_t>& out) {
  if (!f.has(name)) return;
  const std::int64_t id = f.integer(name, -1, max_token_id);
  if (id >= 0) out = id;
}

/// An id or a list of ids.
inline void read_token_ids(json::Fields& f, std::string_view name, std::vector<std::int64_t>& out) {
  const json::Value* v = f.object().present(name);
  if (!v) return;
  std::vector<std::int64_t> ids;
  const std::size_t n = v->is_array() ? v->size() : 1;
  if (n > 1024) f.refuse(errc::format, text("field ", in_quotes(name), " has ", n, " ids, more than the 1024 allowed"));
  for (std::size_t i = 0; f.ok() && i < n; ++i) {
    const result<std::int64_t> id = (v->is_array() ? (*v)[i] : *v).as_integer(name, -1, max_token_id);
    if (!id)
      f.refuse(id.error().code, id.error().message);
    else if (*id >= 0)
      ids.push_back(*id);
  }
  out = std::move(ids);
}

/// A field of Hugging Face's GenerationConfig that nothing here does, and the number by which a file says "no".
struct IgnoredField {
  std::string_view name;
  double off;
};
inline constexpr IgnoredField ignored_fields[] = {{"num_beams", 1},
                                                  {"num_beam_groups", 1},
                                                  {"penalty_alpha", 0},
                                                  {"dola_layers", 0},
                                                  {"num_return_sequences", 1},
                                                  {"guidance_scale", 1},
                                                  {"sequence_bias", 0},
                                                  {"encoder_repetition_penalty", 1},
                                                  {"no_repeat_ngram_size", 0},
                                                  {"encoder_no_repeat_ngram_size", 0},
                                                  {"bad_words_ids", 0},
                                                  {"force_words_ids", 0},
                                                  {"constraints", 0},
                                                  {"min_length", 0},
                                                  {"min_new_tokens", 0},
                                                  {"forced_bos_token_id", -1},
                                                  {"forced_eos_token_id", -1},
                                                  {"exponential_decay_length_penalty", 0},
                                                  {"suppress_tokens", 0},
                                                  {"begin_suppress_tokens", 0},
                                                  {"forced_decoder_ids", 0},
                                                  {"typical_p", 1},
                                                  {"epsilon_cutoff", 0},
                                                  {"eta_cutoff", 0},
                                                  {"top_h", 0},
                                                  {"watermarking_config", 0},
                                                  {"stop_strings", 0},
                                                  {"max_time", -1}};

/// Does a field ask for something? Not if it is false, empty, or the number `off`.
[[nodiscard]] inline bool asks_for_something(const json::Value& v, double off) {
  if (v.is_array() || v.is_object()) return v.size() > 0;
  if (v.is_string()) return !v.as_string("")->empty();
  if (v.kind() == json::Kind::boolean) return *v.as_boolean("");
  return !v.is_null() && !v.as_number("", off, off);
}

}  // namespace detail

/// Reads the fields that `object` has over those in `into`. Call it with config.json first, then with
/// generation_config.json.
[[nodiscard]] inline status read_generation_fields(const json::Value& object, GenerationConfig& into) {
  json::Fields f(object);
  if (!f.ok()) return fail(f.error());
  constexpr std::int64_t many = std::int64_t{1} << 40;
  const auto integer = [&](std::string_view name, std::optional<std::int64_t>& out, std::int64_t lo, std::int64_t hi) {
    if (f.has(name)) out = f.integer(name, lo, hi);
  };
  const auto number = [&](std::string_view name, std::optional<double>& out, double lo, double hi) {
    if (f.has(name)) out = f.number(name, lo, hi);
  };
  detail::read_token_id(f, "bos_token_id", into.bos_token_id);
  detail::read_token_id(f, "pad_token_id", into.pad_token_id);
  detail::read_token_ids(f, "eos_token_id", into.eos_token_ids);
  if (f.has("do_sample")) into.do_sample = f.boolean_or("do_sample", false);
  number("temperature", into.temperature, 0, static_cast<double>((std::numeric_limits<float>::max)()));
  integer("top_k", into.top_k, 0, many);
  number("top_p", into.top_p, 0, 1);
  number("min_p", into.min_p, 0, 1);
  number("repetition_penalty", into.repetition_penalty, 1e-9, 1e9);
  integer("max_new_tokens", into.max_new_tokens, 0, many);
  integer("max_length", into.max_length, 0, many);
  if (!f.ok()) return fail(f.error());
  for (const auto& [name, off] : detail::ignored_fields) {
    const json::Value* v = object.find(name);
    if (v == nullptr) continue;
    std::erase(into.ignored, name);
    if (detail::asks_for_something(*v, off)) into.ignored.emplace_back(name);
  }
  return {};
}

/// What the folder's config.json and generation_config.json say together; either file may be missing.
[[nodiscard]] inline result<GenerationConfig> read_generation_config(const std::string& directory) {
  return without_bad_alloc("reading generation_config.json", [&]() -> result<GenerationConfig> {
    if (status s = named_folder(directory); !s) return fail(s.error());
    GenerationConfig out;
    for (const char* name : {"config.json", "generation_config.json"}) {
      const std::string path = text(directory, "/", name);
      const result<json::Value> file = read_json(path);
      if (!file && file.error().code == errc::not_found) continue;
      if (!file) return fail(file.error());
      if (status s = read_generation_fields(*file, out); !s)
        return fail(s.error().code, text(in_quotes(path, 400), ": ", s.error().message));
    }
    return out;
  });
}

}  // namespace molmo::inline v0
