// SPDX-License-Identifier: Apache-2.0
// The byte <-> character table of byte-level tokenizers (GPT-2): every byte is one printable character.
//
//   bytes 33-126, 161-172 and 174-255 are the characters of the same number;
//   the other 68, ascending, are U+0100, U+0101, ...
// so a space is U+0120 and a line feed U+010A. Vocabularies of such tokenizers are written in these characters.
#pragma once

#include <molmo/io/tokenizer/unicode.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace molmo::inline v0::tokenizer {

inline constexpr std::array<char16_t, 256> char_of_byte = [] {
  std::array<char16_t, 256> table{};
  char16_t next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    const bool same = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    table[b] = same ? static_cast<char16_t>(b) : next++;
  }
  return table;
}();

/// The byte of each character below U+0144, or -1.
inline constexpr std::array<std::int16_t, 256 + 68> byte_of_char = [] {
  std::array<std::int16_t, 256 + 68> table{};
  table.fill(-1);
  for (unsigned b = 0; b < 256; ++b) table[char_of_byte[b]] = static_cast<std::int16_t>(b);
  return table;
}();

/// Appends the characters of the bytes of `raw`, as UTF-8.
inline void append_byte_chars(std::string& out, std::string_view raw) {
  for (const char c : raw) append_utf8(out, char_of_byte[static_cast<unsigned char>(c)]);
}

/// Appends the bytes that the characters of `token` (valid UTF-8) stand for; a token with any other character stands
/// for itself.
inline void append_bytes_of_chars(std::string& out, std::string_view token) {
  const std::size_t before = out.size();
  for (std::size_t i = 0; i < token.size();) {
    const Char c = read_valid(token, i);
    const int b = c.code < byte_of_char.size() ? byte_of_char[c.code] : -1;
    if (b < 0) {
      out.resize(before);
      out.append(token);
      return;
    }
    out.push_back(static_cast<char>(static_cast<unsigned char>(b)));
    i += c.size;
  }
}

}  // namespace molmo::inline v0::tokenizer
