// SPDX-License-Identifier: Apache-2.0
// Unicode normalisation form C (UAX #15): decompose canonically, sort marks by combining class, compose again.
//
//   e + U+0301 -> U+00E9, U+212B (angstrom sign) -> U+00C5, Hangul jamo -> syllables (computed).
// Qwen2's tokenizer.json asks for it. Speed: nfc_is_needed() looks at each character once and most text ends there;
// below U+0300 nothing can change. Characters that Hugging Face tokenizers 0.22 do not know (assigned after Unicode 9,
// 120 marks among them) stay where and as they are, because the ids must be theirs: U+07FD U+0334 keeps its order.
#pragma once

#include <molmo/io/tokenizer/nfc_tables.hpp>
#include <molmo/io/tokenizer/unicode.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace molmo::inline v0::tokenizer {

/// Canonical combining class in the low 8 bits, and bit 8 where NFC may change the character or join it to the one
/// before.
[[nodiscard]] inline std::uint32_t nfc_property(char32_t c) {
  if (c < 0x300) return 0;
  const auto* after =
      std::upper_bound(std::begin(nfc_steps), std::end(nfc_steps), static_cast<std::uint32_t>(c) << 9 | 511u);
  return after == std::begin(nfc_steps) ? 0u : after[-1] & 511u;
}

/// False: `s` (valid UTF-8) is in NFC. True: it may not be.
[[nodiscard]] inline bool nfc_is_needed(std::string_view s) {
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < s.size();) {
    if (static_cast<unsigned char>(s[i]) < 0xCC) {  // the lead bytes below U+0300, and their second bytes
      ++i;
      last = 0;
      continue;
    }
    const Char c = read_valid(s, i);
    const std::uint32_t p = nfc_property(c.code);
    if (p >= 256 || (p != 0 && p < last)) return true;
    last = p;
    i += c.size;
  }
  return false;
}

namespace hangul {
inline constexpr char32_t s = 0xAC00, l = 0x1100, v = 0x1161, t = 0x11A7;
inline constexpr char32_t s_count = 11172, l_count = 19, v_count = 21, t_count = 28;
}  // namespace hangul

/// Appends the full canonical decomposition of `c`.
inline void decompose(std::vector<char32_t>& out, char32_t c) {
  if (c >= hangul::s && c < hangul::s + hangul::s_count) {
    const char32_t i = c - hangul::s;
    out.push_back(hangul::l + i / (hangul::v_count * hangul::t_count));
    out.push_back(hangul::v + i % (hangul::v_count * hangul::t_count) / hangul::t_count);
    if (i % hangul::t_count) out.push_back(hangul::t + i % hangul::t_count);
    return;
  }
  char32_t tail[8];  // the seconds, last first: the first of a pair may decompose further, the second never does
  std::size_t n = 0;
  while (c >= 0xC0 && n < std::size(tail)) {
    const std::uint64_t key = std::uint64_t{c} << 42;
    const auto* d = std::lower_bound(std::begin(decompositions), std::end(decompositions), key);
    if (d == std::end(decompositions) || *d >> 42 != c) break;
    if (const auto second = static_cast<char32_t>(*d & 0x1FFFFFu)) tail[n++] = second;
    c = static_cast<char32_t>(*d >> 21 & 0x1FFFFFu);
  }
  out.push_back(c);
  while (n > 0) out.push_back(tail[--n]);
}

/// The character that `a` and `b` compose to, or 0.
[[nodiscard]] inline char32_t compose(char32_t a, char32_t b) {
  if (a >= hangul::l && a < hangul::l + hangul::l_count && b >= hangul::v && b < hangul::v + hangul::v_count)
    return hangul::s + ((a - hangul::l) * hangul::v_count + (b - hangul::v)) * hangul::t_count;
  if (a >= hangul::s && a < hangul::s + hangul::s_count && (a - hangul::s) % hangul::t_count == 0 && b > hangul::t &&
      b < hangul::t + hangul::t_count)
    return a + (b - hangul::t);
  constexpr std::uint64_t low42 = (std::uint64_t{1} << 42) - 1;
  const std::uint64_t key = std::uint64_t{a} << 21 | b;
  const auto* at = std::lower_bound(std::begin(compositions), std::end(compositions), key,
                                    [](std::uint16_t i, std::uint64_t k) { return (decompositions[i] & low42) < k; });
  if (at == std::end(compositions) || (decompositions[*at] & low42) != key) return 0;
  return static_cast<char32_t>(decompositions[*at] >> 42);
}

/// `s` (valid UTF-8) in NFC.
[[nodiscard]] inline std::string nfc(std::string_view s) {
  if (!nfc_is_needed(s)) return std::string(s);
  std::vector<char32_t> chars;
  chars.reserve(s.size());
  for (std::size_t i = 0; i < s.size();) {
    const Char c = read_valid(s, i);
    decompose(chars, c.code);
    i += c.size;
  }
  const auto combining_class = [](char32_t c) { return nfc_property(c) & 255u; };
  for (std::size_t i = 0; i < chars.size();) {  // runs of marks, each sorted by class and else left in order
    std::size_t end = i + 1;
    if (combining_class(chars[i]) != 0) {
      while (end < chars.size() && combining_class(chars[end]) != 0) ++end;
      std::stable_sort(chars.begin() + static_cast<std::ptrdiff_t>(i), chars.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    }
    i = end;
  }
  // Join each character to the last starter unless something of its own class or a starter stands between.
  std::size_t kept = 0, starter = chars.size();
  std::uint32_t last_class = 0;
  for (const char32_t c : chars) {
    const std::uint32_t k = combining_class(c);
    const bool adjacent = starter + 1 == kept;
    if (starter < kept && (adjacent || (last_class != 0 && last_class < k))) {
      if (const char32_t both = compose(chars[starter], c)) {
        chars[starter] = both;
        continue;
      }
    }
    if (k == 0) starter = kept;
    last_class = k;
    chars[kept++] = c;
  }
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < kept; ++i) append_utf8(out, chars[i]);
  return out;
}

}  // namespace molmo::inline v0::tokenizer
