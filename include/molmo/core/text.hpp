// SPDX-License-Identifier: Apache-2.0
// Words for error messages: text("tensor '", name, "' has ", n, " bytes") -> std::string.
// Strings and numbers are put one after another. It stands here so that the core needs no formatting library.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace molmo::inline v0 {
namespace detail {

inline void append(std::string& out, std::string_view s) { out.append(s); }
inline void append(std::string& out, char c) { out.push_back(c); }

template <class N>
  requires(std::integral<N> || std::floating_point<N>)
void append(std::string& out, N n) {
  if constexpr (std::same_as<N, bool>) {
    out.append(n ? "true" : "false");
  } else {
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
    out.append(digits, end);
  }
}

}  // namespace detail

/// One string made of the arguments, in order: strings, characters, integers, floating-point numbers, booleans.
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

}  // namespace molmo::inline v0
