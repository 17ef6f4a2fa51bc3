// SPDX-License-Identifier: Apache-2.0
// Vocabulary: token <-> id. All tokens stand in one character buffer; a flat hash table finds them.
//
//   entries:  (offset, length, id) in file order;   slots: 32 bits of hash and an entry number
// A file cannot make it slow or large: ids are bounded by the number of tokens, and the table's hash is secret
// (flat_hash.hpp).
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/io/flat_hash.hpp>
#include <molmo/io/printable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace molmo::inline v0::tokenizer {

using Id = std::int32_t;
inline constexpr Id no_id = -1;

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

  /// Builds the tables, once, after the last add(). Errors: a token or an id that stands twice, ids far beyond the
  /// number of tokens.
  [[nodiscard]] status finish() {
    std::uint64_t end = 0;
    for (const Entry& e : entries_) end = (std::max)(end, static_cast<std::uint64_t>(e.id) + 1);
    if (end > 2 * std::uint64_t{entries_.size()} + (1u << 20))
      return fail(errc::format, text("the vocabulary has ", entries_.size(), " tokens, but ids up to ", end - 1));
    by_id_.assign(static_cast<std::size_t>(end), 0);
    slots_.reserve(entries_.size());
    for (std::size_t n = 0; n < entries_.size(); ++n) {
      const std::string_view token = view(entries_[n]);
      const auto at = slots_.insert(
          {0, static_cast<std::uint32_t>(n + 1)},
          [this](const Slot& s, const HashSeed& seed) { return seed.of(view(s)); },
          [&](const Slot& there, const Slot& s) { return there.hash == s.hash && view(there) == token; });
      if (!at.slot)
        return fail(errc::format, "the tokens of the vocabulary collide in every hash table that was tried");
      if (!at.fresh) return fail(errc::format, text("token ", in_quotes(token), " stands twice in the vocabulary"));
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
    const std::uint64_t h = slots_.seed().of(token);
    const Slot* at = slots_.find(
        h, [&](const Slot& s) { return s.hash == static_cast<std::uint32_t>(h >> 32) && view(s) == token; });
    return at ? entries_[at->entry - 1].id : no_id;
  }
  /// The token of an id, or nothing where the id is not used.
  [[nodiscard]] std::optional<std::string_view> token(Id id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= by_id_.size() || by_id_[static_cast<std::size_t>(id)] == 0)
      return std::nullopt;
    return view(entries_[by_id_[static_cast<std::size_t>(id)] - 1]);
  }
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  /// The largest number of slots that finding a token takes.
  [[nodiscard]] std::size_t longest_probe() const { return slots_.longest(); }
  /// One more than the largest id.
  [[nodiscard]] index_t end() const { return static_cast<index_t>(by_id_.size()); }

 private:
  struct Entry {
    std::uint32_t offset, length;
    Id id;
  };
  struct Slot {
    std::uint32_t hash = 0, entry = 0;  // the upper half of the hash; entry number + 1
    [[nodiscard]] bool empty() const { return entry == 0; }
    void remember(std::uint64_t h) { hash = static_cast<std::uint32_t>(h >> 32); }
  };

  [[nodiscard]] std::string_view view(const Entry& e) const {
    return std::string_view(chars_).substr(e.offset, e.length);
  }
  [[nodiscard]] std::string_view view(const Slot& s) const { return view(entries_[s.entry - 1]); }

  std::string chars_;
  std::vector<Entry> entries_;
  FlatHash<Slot> slots_;
  std::vector<std::uint32_t> by_id_;  // entry number + 1, or 0
};

}  // namespace molmo::inline v0::tokenizer
