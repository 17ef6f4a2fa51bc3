// SPDX-License-Identifier: Apache-2.0
// The split patterns of byte-level tokenizers (GPT-2, Llama-3, Qwen2, cl100k, o200k), as hand-written scanners.
//
//   end = rules.next(text, at)      // the piece [at, end); pieces cover the text without gaps
// A pattern is recognised by its exact text and no regular expression is ever run, so hostile files and texts cannot
// make it slow: each scanner is a loop, linear in the text, without recursion or state. The result is that of a
// backtracking engine that takes the first alternative that matches (Oniguruma): the comments show the alternative each
// step stands for.
#pragma once

#include <molmo/io/tokenizer/unicode.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace molmo::inline v0::tokenizer {

/// What the known patterns differ in.
struct SplitRules {
  enum class Family : std::uint8_t {
    gpt2,    // words with one space before them; digits and punctuation likewise
    cl100k,  // words with any one character before them; newlines apart; digits in groups
    o200k,   // as cl100k, words also end where capitals begin, marks belong to words
  };
  Family family = Family::gpt2;
  std::uint8_t digits = 0;  // length of a group of digits

  /// The end of the piece that begins at `at`; `text` is valid UTF-8 and at < text.size().
  [[nodiscard]] inline std::size_t next(std::string_view text, std::size_t at) const;
};

/// The scanner for a pattern as it stands in tokenizer.json, or nothing where the pattern is not known.
[[nodiscard]] inline std::optional<SplitRules> known_split_pattern(std::string_view regex) {
  struct Known {
    std::string_view regex;
    SplitRules rules;
  };
  using enum SplitRules::Family;
  // clang-format off
  static constexpr Known all[] = {
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", {gpt2, 0}},
      {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", {gpt2, 0}},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", {cl100k, 3}},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", {cl100k, 1}},
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)", {cl100k, 3}},
      {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)", {o200k, 3}},
  };
  // clang-format on
  for (const Known& k : all)
    if (k.regex == regex) return k.rules;
  return std::nullopt;
}

namespace scan {

/// Steps over a text by characters; `code` and `kind` are those of the character at `at`, kind = end behind the last.
class Cursor {
 public:
  static constexpr auto end = static_cast<CharClass>(15);

  Cursor(std::string_view text, std::size_t at) : text_(text), at_(at) { look(); }

  void advance() {
    at_ += size_;
    look();
  }
  template <class Is>
  void skip(Is is) {
    while (kind_ != end && is(*this)) advance();
  }

  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] char32_t code() const { return code_; }
  [[nodiscard]] CharClass kind() const { return kind_; }
  [[nodiscard]] bool letter() const { return is_letter(kind_); }
  [[nodiscard]] bool number() const { return is_number(kind_); }
  [[nodiscard]] bool space() const { return is_space(kind_); }
  [[nodiscard]] bool line_end() const { return code_ == '\r' || code_ == '\n'; }
  [[nodiscard]] bool symbol() const { return kind_ != end && !letter() && !number() && !space(); }  // [^\s\p{L}\p{N}]

 private:
  void look() {
    if (at_ >= text_.size()) {
      kind_ = end, code_ = 0, size_ = 0;
      return;
    }
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 0x80) {
      static constexpr auto ascii = [] {
        std::array<CharClass, 128> t{};
        for (char32_t c = 0; c < 128; ++c) t[c] = char_class(c);
        return t;
      }();
      kind_ = ascii[byte], code_ = byte, size_ = 1;
      return;
    }
    const Char c = read_valid(text_, at_);
    code_ = c.code, size_ = c.size, kind_ = char_class(c.code);
  }

  std::string_view text_;
  std::size_t at_, size_ = 0;
  char32_t code_ = 0;
  CharClass kind_ = end;
};

/// '(?:s|t|m|d|re|ve|ll) at `at`: its end, else `at`. Ignoring case, U+017F (long s) is an s too.
[[nodiscard]] inline std::size_t contraction(std::string_view text, std::size_t at, bool ignore_case) {
  const auto letter = [&](std::size_t i) -> char {
    if (at + i >= text.size()) return 0;
    const char c = text[at + i];
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  if (letter(0) != '\'') return at;
  const char a = letter(1), b = letter(2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
  if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
  if (ignore_case && text.substr(at + 1).starts_with("\xC5\xBF")) return at + 3;
  return at;
}

/// \s+(?!\S)|\s+, before it \s*[\r\n]+ where `lines`: `c` stands on white space.
[[nodiscard]] inline std::size_t white_space(Cursor c, bool lines) {
  const std::size_t start = c.at();
  std::size_t last = start, behind_line_end = start;
  while (c.space()) {
    const bool line_end = c.line_end();
    last = c.at();
    c.advance();
    if (line_end) behind_line_end = c.at();
  }
  if (lines && behind_line_end > start) return behind_line_end;
  if (c.kind() == Cursor::end || last == start) return c.at();
  return last;  // the last one goes with what follows
}

[[nodiscard]] inline std::size_t gpt2(std::string_view text, std::size_t at) {
  if (const std::size_t end = contraction(text, at, false); end > at) return end;  // 's|'t|'re|'ve|'m|'ll|'d
  const Cursor here(text, at);
  Cursor c = here;
  if (c.code() == ' ') c.advance();
  if (c.letter())
    c.skip([](const Cursor& x) { return x.letter(); });  // | ?\p{L}+
  else if (c.number())
    c.skip([](const Cursor& x) { return x.number(); });  // | ?\p{N}+
  else if (c.symbol())
    c.skip([](const Cursor& x) { return x.symbol(); });  // | ?[^\s\p{L}\p{N}]+
  else
    return white_space(here, false);
  return c.at();
}

/// The alternatives that cl100k and o200k share, after their words: digits, symbols with line ends, white space.
[[nodiscard]] inline std::size_t digits_symbols_space(const Cursor here, std::size_t digits, bool slash) {
  Cursor c = here;
  if (c.number()) {  // |\p{N}{1,3}
    for (std::size_t n = 0; n < digits && c.number(); ++n) c.advance();
    return c.at();
  }
  if (c.code() == ' ') c.advance();
  if (c.symbol()) {  // | ?[^\s\p{L}\p{N}]+[\r\n]*
    c.skip([](const Cursor& x) { return x.symbol(); });
    c.skip([slash](const Cursor& x) { return x.line_end() || (slash && x.code() == '/'); });
    return c.at();
  }
  return white_space(here, true);  // |\s*[\r\n]+|\s+(?!\S)|\s+
}

[[nodiscard]] inline std::size_t cl100k(std::string_view text, std::size_t at, std::size_t digits) {
  if (const std::size_t end = contraction(text, at, true); end > at) return end;  // (?i:'s|'t|'re|'ve|'m|'ll|'d)
  const Cursor here(text, at);
  Cursor c = here;
  if (!c.letter() && !c.number() && !c.line_end()) c.advance();
  if (c.letter()) {  // |[^\r\n\p{L}\p{N}]?\p{L}+
    c.skip([](const Cursor& x) { return x.letter(); });
    return c.at();
  }
  return digits_symbols_space(here, digits, false);
}

[[nodiscard]] inline std::size_t o200k(std::string_view text, std::size_t at, std::size_t digits) {
  constexpr auto capital = [](const Cursor& x) {  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
    return (x.letter() && x.kind() != CharClass::lower) || is_mark(x.kind());
  };
  constexpr auto lower = [](const Cursor& x) {  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
    return (x.letter() && x.kind() != CharClass::upper && x.kind() != CharClass::title) || is_mark(x.kind());
  };
  const Cursor here(text, at);
  Cursor after = here;  // behind the optional [^\r\n\p{L}\p{N}]
  if (!here.letter() && !here.number() && !here.line_end()) after.advance();
  const bool optional = after.at() > at;

  for (int way = optional ? 0 : 1; way < 2; ++way) {  // capital* lower+, where capital* gives back what lower+ needs
    Cursor c = way == 0 ? after : here;
    std::size_t end = c.at();
    for (; c.kind() != Cursor::end && capital(c);) {
      const bool both = lower(c);
      c.advance();
      if (both) end = c.at();
    }
    const std::size_t capitals = c.at();
    c.skip(lower);
    if (c.at() > capitals) end = c.at();
    if (end > (way == 0 ? after : here).at()) return contraction(text, end, true);
  }
  for (int way = optional ? 0 : 1; way < 2; ++way) {  // |capital+ lower*
    Cursor c = way == 0 ? after : here;
    const std::size_t start = c.at();
    c.skip(capital);
    if (c.at() == start) continue;
    c.skip(lower);
    return contraction(text, c.at(), true);
  }
  return digits_symbols_space(here, digits, true);
}

}  // namespace scan

inline std::size_t SplitRules::next(std::string_view text, std::size_t at) const {
  switch (family) {
    case Family::gpt2:
      return scan::gpt2(text, at);
    case Family::cl100k:
      return scan::cl100k(text, at, digits);
    case Family::o200k:
      return scan::o200k(text, at, digits);
  }
  return text.size();
}

}  // namespace molmo::inline v0::tokenizer
