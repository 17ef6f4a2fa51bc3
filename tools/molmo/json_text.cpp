// SPDX-License-Identifier: Apache-2.0
#include "json_text.hpp"

#include <molmo/io/tokenizer/unicode.hpp>

namespace molmo_tool {

void JsonText::quote(std::string_view s) {
  out_ += '"';
  while (!s.empty()) {
    const auto bad = molmo::tokenizer::first_invalid_utf8(s);
    for (const char c : s.substr(0, bad.value_or(s.size()))) {
      if (c == '"' || c == '\\')
        (out_ += '\\') += c;
      else if (c == '\n')
        out_ += "\\n";
      else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      else
        out_ += c;
    }
    if (!bad) break;
    out_ += "\\ufffd";
    s.remove_prefix(*bad + 1);
  }
  out_ += '"';
}

}  // namespace molmo_tool
