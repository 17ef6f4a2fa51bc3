// SPDX-License-Identifier: Apache-2.0
// FlatHash: the hash table behind vocabularies, merges and keys of JSON objects: open addressing over a vector of
// slots.
//
//   struct Slot { ...;  bool empty() const;  void remember(std::uint64_t hash); };       // Slot{} is empty
//   auto at = table.insert(slot, hash_of, same);   if (!at.slot) ...;   const Slot* s = table.find(hash, same);
// Keys come from strangers, so every table draws a secret seed and no file can hold keys that collide. Texts are hashed
// as polynomials over the prime 2^61 - 1 at a secret point: whatever they are, two of n bytes collide with a chance of
// (n + 4) / 2^63. An insertion that looks at more than longest_probe slots makes the table choose another seed and
// place everything again; a table that is still not served after some seeds refuses. Nothing that a table answers
// depends on its seed.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#if __has_include(<sys/random.h>)
#include <sys/random.h>
#include <unistd.h>
#endif

namespace molmo::inline v0 {

/// A secret hash function of texts and of numbers. One that is default-constructed is not secret yet.
class HashSeed {
 public:
  constexpr HashSeed() = default;
  /// Random bits of the system; without such a source, addresses and the time, which a file cannot know either.
  [[nodiscard]] static HashSeed fresh() {
    std::uint64_t bits[3] = {};
    bits[0] = reinterpret_cast<std::uintptr_t>(&bits);
    bits[1] = static_cast<std::uint64_t>(std::time(nullptr)) << 32 ^ static_cast<std::uint64_t>(std::clock());
    bits[2] = reinterpret_cast<std::uintptr_t>(&fresh);
#if __has_include(<sys/random.h>)
    (void)!getentropy(bits, sizeof bits);  // where it fails the bits stay what they are
#endif
    return HashSeed(bits[0], bits[1], bits[2]).next();
  }
  /// Another one, no less secret.
  [[nodiscard]] HashSeed next() const {
    return {scrambled(point_ + 1), scrambled(mask_ + 2 * golden), scrambled(factor_ + 3 * golden)};
  }

  /// The text's polynomial: below 2^61, and equal for different texts of n bytes with a chance of (n + 4) / 2^63 at
  /// most.
  [[nodiscard]] std::uint64_t polynomial(std::string_view s) const {
    // a first coefficient that is never zero: longer texts have larger degrees
    std::uint64_t h = std::uint64_t{1} << 60;
    const char* p = s.data();
    std::size_t n = s.size();
    for (; n >= 8; n -= 7, p += 7) h = times_point(h + (load<8>(p) & 0xFF'FFFF'FFFF'FFFFu));  // seven bytes a step
    const auto byte = [p](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i); };
    std::uint64_t rest = 0;  // the 0 to 7 bytes that are left, by loads that overlap, and their number
    if (s.size() >= 8)
      rest = load<8>(p + n - 8) >> (8 * (8 - n));
    else if (n >= 4)
      rest = load<4>(p) | load<4>(p + n - 4) << (8 * (n - 4));
    else if (n > 0)
      rest = byte(0) | byte(n / 2) | byte(n - 1);
    h = times_point(h + (rest | std::uint64_t{n} << 56));
    return h >= prime ? h - prime : h;
  }
  /// 64 bits, each as good as the others.
  [[nodiscard]] std::uint64_t of(std::uint64_t number) const {
    const Wide product = Wide{number ^ mask_} * factor_;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  [[nodiscard]] std::uint64_t of(std::string_view s) const { return of(polynomial(s)); }

 private:
  __extension__ typedef unsigned __int128 Wide;  // NOLINT(modernize-use-using): `using` takes no __extension__
  static constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;
  static constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;

  constexpr HashSeed(std::uint64_t point, std::uint64_t mask, std::uint64_t factor)
      : point_(point >> 3), mask_(mask), factor_(factor | 1) {}

  [[nodiscard]] static std::uint64_t scrambled(std::uint64_t x) {  // SplitMix64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  template <std::size_t Bytes>
  [[nodiscard]] static std::uint64_t load(const char* p) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, Bytes);
    return word;
  }
  /// x * point, for x below 2^62, up to a multiple of the prime: below 2^61 + 8.
  [[nodiscard]] std::uint64_t times_point(std::uint64_t x) const {
    const Wide product = Wide{x} * point_;
    const std::uint64_t sum =
        (static_cast<std::uint64_t>(product) & prime) + static_cast<std::uint64_t>(product >> 61);
    return (sum & prime) + (sum >> 61);
  }

  std::uint64_t point_ = 0, mask_ = 0, factor_ = 1;
};

template <class Slot>
class FlatHash {
 public:
  /// Of 10^7 keys in a table that is two thirds full, the unluckiest looks at some 200 slots.
  static constexpr std::size_t longest_probe = 512;

  struct Place {
    Slot* slot = nullptr;  ///< the key's slot; null: the table refuses
    bool fresh = false;    ///< it was not there before
  };

  FlatHash() = default;
  /// A table whose secret comes from `seed`, without asking the system.
  explicit FlatHash(const HashSeed& seed) : seed_(seed), seeded_(true) {}

  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] const HashSeed& seed() const { return seed_; }
  /// The largest number of slots that an insertion has looked at, and how often the table was built: the work that was
  /// done.
  [[nodiscard]] std::size_t longest() const { return longest_; }
  [[nodiscard]] std::size_t builds() const { return builds_; }

  /// Makes room for `n` keys; for an empty table.
  void reserve(std::size_t n) {
    slots_.assign(std::bit_ceil(n + n / 2 + 1), Slot{});
    reseed();
  }

  /// Forgets the keys. A large table gives its memory back, or clearing for every small object of a file would cost as
  /// much as its largest.
  void clear() {
    used_ = 0;
    if (slots_.size() > 64)
      slots_ = {};
    else
      slots_.assign(slots_.size(), Slot{});
  }

  /// Puts `wanted` in unless a slot with same(there, wanted) is in. hash_of(slot, seed) is a slot's hash under a seed;
  /// it and `same` are asked about full slots only. Pointers to slots hold until the next insertion.
  template <class HashOf, class Same>
  Place insert(Slot wanted, HashOf hash_of, Same same) {
    if (3 * (used_ + 1) > 2 * slots_.size()) {
      tries_ = 0;
      if (!build((std::max)(2 * slots_.size(), std::size_t{16}), hash_of)) return {};
    }
    for (;;) {
      const std::uint64_t hash = hash_of(std::as_const(wanted), seed_);
      wanted.remember(hash);
      std::size_t i = hash & (slots_.size() - 1);
      for (std::size_t probes = 1; probes <= longest_probe; ++probes, i = (i + 1) & (slots_.size() - 1)) {
        if (slots_[i].empty()) {
          slots_[i] = wanted;
          ++used_;
          longest_ = (std::max)(longest_, probes);
          return {&slots_[i], true};
        }
        if (same(std::as_const(slots_[i]), std::as_const(wanted))) return {&slots_[i], false};
      }
      if (!build(slots_.size(), hash_of)) return {};
    }
  }

  /// The slot of hash `seed().of(key)` with same(slot), or null.
  template <class Same>
  [[nodiscard]] const Slot* find(std::uint64_t hash, Same same) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t i = hash & (slots_.size() - 1); !slots_[i].empty(); i = (i + 1) & (slots_.size() - 1))
      if (same(slots_[i])) return &slots_[i];
    return nullptr;
  }

 private:
  void reseed() {
    seed_ = seeded_ ? seed_.next() : HashSeed::fresh();
    seeded_ = true;
    ++builds_;
  }

  /// Places everything under another seed. False: some seeds have failed.
  template <class HashOf>
  [[nodiscard]] bool build(std::size_t size, HashOf hash_of) {
    std::vector<Slot> old(size);
    for (old.swap(slots_); tries_ < 8; slots_.assign(size, Slot{})) {
      ++tries_;
      reseed();
      bool placed = true;
      for (std::size_t n = 0; n < old.size() && placed; ++n)
        if (!old[n].empty()) placed = place(old[n], hash_of(std::as_const(old[n]), seed_));
      if (placed) return true;
    }
    *this = {};
    return false;
  }
  [[nodiscard]] bool place(Slot slot, std::uint64_t hash) {
    slot.remember(hash);
    std::size_t i = hash & (slots_.size() - 1);
    for (std::size_t probes = 1; probes <= longest_probe; ++probes, i = (i + 1) & (slots_.size() - 1))
      if (slots_[i].empty()) {
        slots_[i] = slot;
        return true;
      }
    return false;
  }

  std::vector<Slot> slots_;  // empty, or a power of two
  std::size_t used_ = 0, longest_ = 0, builds_ = 0;
  HashSeed seed_;
  int tries_ = 0;
  bool seeded_ = false;
};

}  // namespace molmo::inline v0
