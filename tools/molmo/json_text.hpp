// SPDX-License-Identifier: Apache-2.0
// JsonText: JSON objects, written field by field in the order of the calls.
//
//   JsonText j; j.field("text", text); j.begin("stats"); j.field("seconds", 0.5); j.end(); j.str();
// Strings are UTF-8; what is not becomes U+FFFD. Numbers that JSON does not have (NaN, infinities) become null.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <string>
#include <string_view>

namespace molmo_tool {

class JsonText {
 public:
  void field(std::string_view name, std::string_view value) {
    key(name);
    quote(value);
  }
  void field(std::string_view name, const char* value) { field(name, std::string_view(value)); }
  void field(std::string_view name, bool value) { key(name), out_ += value ? "true" : "false"; }
  template <class N>
  requires((std::integral<N> || std::floating_point<N>)&&!std::same_as<N, bool>) void field(std::string_view name,
                                                                                            N value) {
    key(name);
    number(value);
  }
  void null(std::string_view name) { key(name), out_ += "null"; }
  /// An object (or a list) of that name; in a list the names are left out.
  void begin(std::string_view name, char bracket = '{') {
    key(name);
    open(bracket);
  }
  void end() {
    out_ += closers_.back();
    closers_.pop_back();
    first_ = false;
  }
  /// The whole text, with a newline.
  [[nodiscard]] std::string str() {
    while (!closers_.empty()) end();
    return out_ + "\n";
  }

  JsonText() { open('{'); }

 private:
  void open(char bracket) {
    out_ += bracket;
    closers_ += bracket == '{' ? '}' : ']';
    first_ = true;
  }
  void key(std::string_view name) {
    if (!first_) out_ += ", ";
    first_ = false;
    if (closers_.back() == ']') return;
    quote(name);
    out_ += ": ";
  }
  template <class N>
  void number(N value) {
    if constexpr (std::floating_point<N>) {
      if (!std::isfinite(value)) {
        out_ += "null";
        return;
      }
    }
    out_ += fmt::format("{}", value);
  }
  void quote(std::string_view s);

  std::string out_, closers_;
  bool first_ = true;
};

}  // namespace molmo_tool
