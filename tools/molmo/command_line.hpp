// SPDX-License-Identifier: Apache-2.0
// Between CLI11 and the user: numbers that must fit where they go, and what is said about arguments that nobody knows.
#pragma once

#include <CLI/CLI.hpp>

#include <molmo/core/text.hpp>
#include <molmo/io/printable.hpp>

#include <charconv>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace molmo_tool {

/// The whole of `typed` as a number, else nothing. Decimal: "010" is ten, and "1e3" no whole number.
template <class Number>
[[nodiscard]] std::optional<Number> number_from(std::string_view typed) {
  Number n{};
  const auto end = std::from_chars(typed.data(), typed.data() + typed.size(), n);
  if (end.ec != std::errc{} || end.ptr != typed.data() + typed.size()) return std::nullopt;
  return n;
}

/// An option that takes a whole number from `least` to `most`. Whatever else stands there is refused as it was typed.
/// `To` is the number's type, or an optional of it.
template <class To, std::integral Number>
CLI::Option* add_number(CLI::App& app, const std::string& names, To& to, Number least, Number most,
                        const std::string& help) {
  const std::string name = names.substr(names.rfind(',') + 1);
  return app.add_option_function<std::string>(
      names,
      [&to, name, least, most](const std::string& typed) {
        const std::optional<Number> n = number_from<Number>(typed);
        if (!n || *n < least || *n > most)
          throw CLI::ValidationError(molmo::text(name, " is ", molmo::in_quotes(typed),
                                                 "; it must be a whole number from ", least, " to ", most));
        to = *n;
      },
      help);
}

/// An option that takes a number with or without a fraction, whose range is checked by whoever uses it.
CLI::Option* add_real(CLI::App& app, const std::string& names, std::optional<double>& to, const std::string& help);

/// Of `words`, the one that was probably meant by `typed`: it begins so, or a letter or two are wrong, missing,
/// superfluous or swapped. Leading dashes do not count. Empty where none is near.
[[nodiscard]] std::string_view nearest_word(std::string_view typed, std::span<const std::string> words);

/// What is wrong where the first word of the command line is no command; empty where it is one, or where there is none.
[[nodiscard]] std::string unknown_command(const CLI::App& app, std::span<char* const> args);

/// What is wrong with the command line that ended in `e`, in a sentence that says where to look or what was meant.
[[nodiscard]] std::string usage_message(const CLI::App& app, const CLI::ParseError& e, std::span<char* const> args);

}  // namespace molmo_tool
