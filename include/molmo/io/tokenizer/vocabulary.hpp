// SPDX-License-Identifier: Apache-2.0
// Vocabulary: token <-> id. All tokens stand in one character buffer; a flat hash table finds them.
//
//   entries:  (offset, length, id) in file order;   slots: 32 bits of hash and an entry number, linear probing
// A file cannot make it slow or large: ids are bounded by the number of tokens, and tokens that were chosen to collide in the
// hash are refused instead of being searched for one by one.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/io/printable.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace molmo::inline v0::tokenizer {

using Id = std::int32_t;
inline constexpr Id no_id = -1;

[[nodiscard]] inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  return x ^ (x >> 32);
}

[[nodiscard]] inline std::uint64_t hash_of(std::string_view s) {
  std::uint64_t h = 0x9E3779B97F4A7C15u * (s.size() + 1);
  const char* p = s.data();
  std::size_t n = s.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    h = (h ^ word) * 0xA0761D6478BD642Fu;
    h ^= h >> 29;
  }
  std::uint64_t word = 0;
  if (n > 0) std::memcpy(&word, p, n);
  return mix(h ^ word);
}

/// In how many steps a probe must find its place; a fair table of 10^7 entries needs a few dozen.
inline constexpr std::size_t longest_probe = 1024;

class Vocabulary {
 public:
  /// Adds a token with an id below 2^31.
  [[nodiscard]] status add(std::string_view token, std::uint64_t id) {
    if (id > static_cast<std::uint64_t>((std::numeric_limits<Id>::max)()))
      return fail(errc::format, text("token ", in_quotes(token), " has the id ", id, ", but ids end at 2147483647"));
    if (chars_.size() + token.size() > (std::numeric_limits<std::uint32_t>::max)())
      return fail(errc::format, "the tokens of the vocabulary take more than 4 GiB");
    entries_.push_back(
        {static_cast<std::uint32_t>(chars_.size()), static_cast<std::uint32_t>(token.size()), static_cast<Id>(id)});
    chars_.append(token);
    return {};
  }

  /// Builds the tables, once, after the last add(). Errors: a token or an id that stands twice, ids far beyond the number of
  /// tokens, or tokens that were chosen to collide.
  [[nodiscard]] status finish() {
    std::uint64_t end = 0;
    for (const Entry& e : entries_) end = (std::max)(end, static_cast<std::uint64_t>(e.id) + 1);
    if (end > 2 * std::uint64_t{entries_.size()} + (1u << 20))
      return fail(errc::format, text("the vocabulary has ", entries_.size(), " tokens, but ids up to ", end - 1));
    by_id_.assign(static_cast<std::size_t>(end), 0);
    slots_.assign(std::bit_ceil(entries_.size() + entries_.size() / 2 + 1), 0);  // at most two thirds full
    for (std::size_t n = 0; n < entries_.size(); ++n) {
      const std::string_view token = view(entries_[n]);
      const std::uint64_t h = hash_of(token);
      std::size_t i = h & (slots_.size() - 1);
      for (std::size_t probes = 0; slots_[i] != 0; i = (i + 1) & (slots_.size() - 1)) {
        if (slots_[i] >> 32 == h >> 32 && view(slots_[i]) == token)
          return fail(errc::format, text("token ", in_quotes(token), " stands twice in the vocabulary"));
        if (++probes > longest_probe)
          return fail(errc::format, "the tokens of the vocabulary were chosen to collide in the hash table");
      }
      slots_[i] = (h >> 32) << 32 | (n + 1);
      std::uint32_t& place = by_id_[static_cast<std::size_t>(entries_[n].id)];
      if (place != 0)
        return fail(errc::format, text("the tokens ", in_quotes(view(entries_[place - 1])), " and ", in_quotes(token),
                                       " have the same id ", entries_[n].id));
      place = static_cast<std::uint32_t>(n + 1);
    }
    return {};
  }

  /// The id of a token, or no_id.
  [[nodiscard]] Id find(std::string_view token) const {
    if (slots_.empty()) return no_id;
    const std::uint64_t h = hash_of(token);
    for (std::size_t i = h & (slots_.size() - 1); slots_[i] != 0; i = (i + 1) & (slots_.size() - 1))
      if (slots_[i] >> 32 == h >> 32 && view(slots_[i]) == token) return entries_[(slots_[i] & 0xFFFFFFFFu) - 1].id;
    return no_id;
  }
  /// The token of an id, or nothing where the id is not used.
  [[nodiscard]] std::optional<std::string_view> token(Id id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= by_id_.size() || by_id_[static_cast<std::size_t>(id)] == 0)
      return std::nullopt;
    return view(entries_[by_id_[static_cast<std::size_t>(id)] - 1]);
  }
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  /// One more than the largest id.
  [[nodiscard]] index_t end() const { return static_cast<index_t>(by_id_.size()); }

 private:
  struct Entry {
    std::uint32_t offset, length;
    Id id;
  };

  [[nodiscard]] std::string_view view(const Entry& e) const {
    return std::string_view(chars_).substr(e.offset, e.length);
  }
  [[nodiscard]] std::string_view view(std::uint64_t slot) const { return view(entries_[(slot & 0xFFFFFFFFu) - 1]); }

  std::string chars_;
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> slots_;
  std::vector<std::uint32_t> by_id_;  // entry number + 1, or 0
};

}  // namespace molmo::inline v0::tokenizer
