// SPDX-License-Identifier: Apache-2.0
// GenerationConfig: how a checkpoint wants to be sampled: generation_config.json, and config.json where that is silent.
//
// Every field is optional: what neither file says stays empty, run/ has the defaults. Values out of range are errors.
#pragma once

#include <molmo/core/result.hpp>
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

}  // namespace detail

/// Reads the fields that `object` has over those in `into`. Call it with config.json first, then with
/// generation_config.json.
[[nodiscard]] inline status read_generation_fields(const json::Value& object, GenerationConfig& into) {
  json::Fields f(object);
  if (!f.ok()) return fail(f.error());
  constexpr double infinite = (std::numeric_limits<double>::max)();
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
  number("temperature", into.temperature, 0, infinite);
  integer("top_k", into.top_k, 0, many);
  number("top_p", into.top_p, 0, 1);
  number("min_p", into.min_p, 0, 1);
  number("repetition_penalty", into.repetition_penalty, 1e-9, 1e9);
  integer("max_new_tokens", into.max_new_tokens, 0, many);
  integer("max_length", into.max_length, 0, many);
  if (!f.ok()) return fail(f.error());
  return {};
}

/// What the folder's config.json and generation_config.json say together; either file may be missing.
[[nodiscard]] inline result<GenerationConfig> read_generation_config(const std::string& directory) {
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
}

}  // namespace molmo::inline v0
