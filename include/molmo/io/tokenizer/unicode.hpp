// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the character classes that split patterns ask for: \p{L}, \p{N}, \p{M}, \p{Lu} ..., \s, \w.
//
// Decoding is strict (no overlong forms, no surrogates, nothing above U+10FFFF); text that passed check_utf8 is then
// read with read_valid, which trusts it. \s is Unicode's White_Space, as in Oniguruma and Rust's regex. Speed: ASCII by
// one load, everything else by two.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/tokenizer/unicode_tables.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace molmo::inline v0::tokenizer {

/// What a split pattern can ask of a character. The values are those of tools/make_unicode_tables.py.
enum class CharClass : std::uint8_t {
  other,
  upper,
  lower,
  title,
  modifier_letter,
  other_letter,
  mark,
  digit,  // Nd
  letter_number,
  other_number,
  connector,
  punctuation,  // all others of P
  space,        // White_Space
};

[[nodiscard]] constexpr CharClass char_class(char32_t c) {
  if (c / 128 < std::size(class_block)) {
    const std::uint64_t word = class_bits[class_block[c / 128] * 8u + c % 128 / 16];
    return static_cast<CharClass>(word >> (4 * (c % 16)) & 15u);
  }
  return c >= 0xE0100 && c <= 0xE01EF ? CharClass::mark : CharClass::other;  // variation selectors
}

[[nodiscard]] constexpr bool is_letter(CharClass c) { return c >= CharClass::upper && c <= CharClass::other_letter; }
[[nodiscard]] constexpr bool is_number(CharClass c) { return c >= CharClass::digit && c <= CharClass::other_number; }
[[nodiscard]] constexpr bool is_mark(CharClass c) { return c == CharClass::mark; }
[[nodiscard]] constexpr bool is_space(CharClass c) { return c == CharClass::space; }

/// \w of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control.
[[nodiscard]] constexpr bool is_word(char32_t c) {
  const CharClass k = char_class(c);
  if (k >= CharClass::upper && k <= CharClass::letter_number) return true;
  if (k == CharClass::connector || c == 0x200C || c == 0x200D) return true;
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);  // circled and squared letters are symbols, and alphabetic
}

/// A character and how many bytes it takes.
struct Char {
  char32_t code = 0;
  std::size_t size = 0;
};

/// The character at `at` of valid UTF-8; needs at < s.size().
[[nodiscard]] constexpr Char read_valid(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[at + i]); };
  const char32_t b = byte(0);
  if (b < 0x80) return {b, 1};
  if (b < 0xE0) return {(b & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2};
  if (b < 0xF0) return {(b & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  return {(b & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu), 4};
}

/// The character that ends at `end` of valid UTF-8; needs end > 0.
[[nodiscard]] constexpr Char read_valid_before(std::string_view s, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0u) == 0x80u) --at;
  return read_valid(s, at);
}

/// One step of a strict decoder over bytes (Unicode 16, table 3-7). `need` is what the character begun still lacks.
struct Utf8State {
  unsigned char need = 0, low = 0x80, high = 0xBF;

  enum class Step : std::uint8_t { complete, partial, invalid };
  /// Takes one byte. invalid: the byte cannot stand here; where need > 0 the begun character is broken before it.
  constexpr Step step(unsigned char b) {
    if (need > 0) {
      if (b < low || b > high) return Step::invalid;
      low = 0x80, high = 0xBF;
      return --need == 0 ? Step::complete : Step::partial;
    }
    if (b < 0x80) return Step::complete;
    if (b < 0xC2 || b > 0xF4) return Step::invalid;
    need = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
    if (b == 0xE0) low = 0xA0;
    if (b == 0xED) high = 0x9F;
    if (b == 0xF0) low = 0x90;
    if (b == 0xF4) high = 0x8F;
    return Step::partial;
  }
  constexpr void reset() { *this = {}; }
};

/// Where the first byte that is no part of valid UTF-8 stands (the start of the broken character), or nothing.
[[nodiscard]] inline std::optional<std::size_t> first_invalid_utf8(std::string_view s) {
  Utf8State state;
  std::size_t start = 0;
  for (std::size_t i = 0; i < s.size();) {
    if (state.need == 0) {
      start = i;
      std::uint64_t eight = 0;
      if (i + 8 <= s.size()) {
        std::memcpy(&eight, s.data() + i, 8);
        if ((eight & 0x8080808080808080u) == 0) {
          i += 8;
          continue;
        }
      }
    }
    if (state.step(static_cast<unsigned char>(s[i])) == Utf8State::Step::invalid) return start;
    ++i;
  }
  if (state.need > 0) return start;
  return std::nullopt;
}

/// Appends `c`, which must be a Unicode scalar value, as UTF-8.
inline void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t b) { out.push_back(static_cast<char>(static_cast<unsigned char>(b))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace molmo::inline v0::tokenizer
