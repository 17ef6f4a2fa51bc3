// SPDX-License-Identifier: Apache-2.0
// ShardIndex: model.safetensors.index.json, {"metadata": {"total_size": n}, "weight_map": {tensor: file, ...}}.
//
// A file name from an index is untrusted: only plain names of the same folder pass. Whether the shards hold what the
// index promises is checked in io/checkpoint.hpp.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/json_sax.hpp>
#include <molmo/io/printable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

/// A name that can only mean a file in the folder where it is used: no separators, drives, dots alone, control
/// characters.
[[nodiscard]] inline bool is_plain_file_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || name.front() == '.' || name.back() == '.' || name.back() == ' ')
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x1f && c != 0x7f &&
           std::string_view("/\\:*?\"<>|").find(c) == std::string_view::npos;
  });
}

struct ShardIndex {
  struct Tensor {
    std::string name;
    std::size_t shard = 0;  ///< index into `shards`
  };
  std::vector<std::string> shards;  ///< plain file names, each once
  std::vector<Tensor> tensors;      ///< sorted by name
  std::optional<std::uint64_t> total_size;

  static constexpr std::size_t max_bytes = std::size_t{64} << 20;
  static constexpr std::size_t max_shards = 10'000;

  [[nodiscard]] const Tensor* find(std::string_view name) const {
    const auto at = std::lower_bound(tensors.begin(), tensors.end(), name,
                                     [](const Tensor& t, std::string_view n) { return t.name < n; });
    return at != tensors.end() && at->name == name ? &*at : nullptr;
  }

  /// errc::format for everything that is not such an index.
  [[nodiscard]] static result<ShardIndex> parse(std::string_view json, std::string_view source);
};

namespace detail {

struct ShardIndexReader : json::Handler {
  std::string_view source;
  ShardIndex& index;
  enum class In : std::uint8_t { nothing, top, weight_map, metadata, ignored } in = In::nothing;
  std::size_t ignored_depth = 0;
  std::string last_key{};
  bool seen_map = false;
  std::vector<std::size_t> by_name{};  // shards in the order of their names

  ShardIndexReader(std::string_view s, ShardIndex& i) : source(s), index(i) {}

  bool bad(std::string_view what) { return refuse(errc::format, text(source, ": ", what)); }
  bool start() {
    if (in == In::ignored) return ++ignored_depth, true;
    if (in == In::weight_map) return bad(text("the file of tensor ", in_quotes(last_key), " is not a string"));
    return in = In::ignored, ignored_depth = 1, true;  // unknown members, of the top or of the metadata
  }
  bool start_object() {
    if (in == In::nothing) return in = In::top, true;
    if (in == In::top && last_key == "weight_map") return in = In::weight_map, seen_map = true;
    if (in == In::top && last_key == "metadata") return in = In::metadata, true;
    if (in == In::metadata && last_key == "total_size") return bad("metadata.total_size is not a number of bytes");
    in_metadata = in == In::metadata || (in == In::ignored && in_metadata);
    return start();
  }
  bool start_array() {
    if (in == In::nothing || (in == In::top && (last_key == "weight_map" || last_key == "metadata")))
      return bad("has an array where an object belongs");
    if (in == In::metadata && last_key == "total_size") return bad("metadata.total_size is not a number of bytes");
    in_metadata = in == In::metadata || (in == In::ignored && in_metadata);
    return start();
  }
  bool end() {
    if (in == In::ignored) {
      if (--ignored_depth == 0) in = in_metadata ? In::metadata : In::top;
      return true;
    }
    in = In::top;
    return true;
  }
  bool end_object() { return end(); }
  bool end_array() { return end(); }
  bool key(std::string& k) {
    if (in != In::ignored) last_key = std::move(k);
    return true;
  }
  bool string(std::string& file) {
    if (in != In::weight_map) return other_scalar();
    if (!is_plain_file_name(file) || !file.ends_with(".safetensors"))
      return bad(text("tensor ", in_quotes(last_key), " is said to lie in ", in_quotes(file),
                      ", but only plain names of .safetensors files in the same folder are allowed"));
    const auto at = std::lower_bound(by_name.begin(), by_name.end(), file,
                                     [&](std::size_t i, const std::string& f) { return index.shards[i] < f; });
    std::size_t shard = index.shards.size();
    if (at != by_name.end() && index.shards[*at] == file) {
      shard = *at;
    } else {
      if (shard >= ShardIndex::max_shards) return bad(text("more than ", ShardIndex::max_shards, " files"));
      by_name.insert(at, shard);
      index.shards.push_back(std::move(file));
    }
    index.tensors.push_back({std::move(last_key), shard});
    return true;
  }
  bool unsigned_integer(std::uint64_t n) {
    if (in == In::metadata && last_key == "total_size") return index.total_size = n, true;
    return other_scalar();
  }
  bool number(double x, std::string_view) {  // some writers print it as 123.0
    if (in == In::metadata && last_key == "total_size") {
      if (!(x >= 0 && x < 9e15) || x != static_cast<double>(static_cast<std::uint64_t>(x)))
        return bad("metadata.total_size is not a number of bytes");
      return index.total_size = static_cast<std::uint64_t>(x), true;
    }
    return other_scalar();
  }
  bool negative(std::int64_t) {
    return in == In::metadata && last_key == "total_size" ? bad("metadata.total_size is negative") : other_scalar();
  }
  bool boolean(bool) { return other_scalar(); }
  bool null() { return scalar(); }
  /// A scalar that is neither a number nor null, which says that there is nothing.
  bool other_scalar() {
    if (in == In::metadata && last_key == "total_size") return bad("metadata.total_size is not a number of bytes");
    return in == In::top && last_key == "metadata" ? bad("metadata is not an object") : scalar();
  }
  bool scalar() {
    if (in == In::weight_map) return bad(text("the file of tensor ", in_quotes(last_key), " is not a string"));
    if (in == In::nothing || (in == In::top && last_key == "weight_map")) return bad("has no object of tensors");
    return true;
  }

 private:
  bool in_metadata = false;  // what surrounds an ignored value
};

}  // namespace detail

inline result<ShardIndex> ShardIndex::parse(std::string_view json, std::string_view source) {
  ShardIndex index;
  detail::ShardIndexReader reader(source, index);
  if (status s = json::parse_sax(json, reader, {.source = source, .max_bytes = max_bytes, .max_string = 65536}); !s)
    return fail(s.error());
  if (!reader.seen_map || index.tensors.empty())
    return fail(errc::format, text(source, ": has no weight_map with tensors in it"));
  std::sort(index.tensors.begin(), index.tensors.end(),
            [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  return index;
}

}  // namespace molmo::inline v0
