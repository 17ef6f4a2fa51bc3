// SPDX-License-Identifier: Apache-2.0
// in_quotes(name): words that came out of a file, made safe for a message.
//
// Names in model files are untrusted: they may hold terminal escapes, invalid UTF-8 or a megabyte of letters. Printable
// ASCII stays, everything else becomes \xNN, and long words are cut.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace molmo::inline v0 {

/// `name` between single quotes, at most `longest` bytes of it, with every byte that is not printable ASCII as \xNN.
[[nodiscard]] inline std::string in_quotes(std::string_view name, std::size_t longest = 120) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : name.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out += "\\x";
      out.push_back(hex[byte >> 4]);
      out.push_back(hex[byte & 15u]);
    }
  }
  if (name.size() > longest) out += "...";
  out.push_back('\'');
  return out;
}

}  // namespace molmo::inline v0
