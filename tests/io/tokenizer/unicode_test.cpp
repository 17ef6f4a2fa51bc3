// SPDX-License-Identifier: Apache-2.0
// Character classes and NFC against what Hugging Face tokenizers' engines do for every code point; strict UTF-8.
#include "support.hpp"

#include <molmo/io/tokenizer/nfc.hpp>

using namespace tokenizer_test;
using namespace molmo::tokenizer;

namespace {

molmo::json::Value read(const std::string& name) {
  auto v = molmo::read_json(std::string(MOLMO_TEST_DATA_DIR) + "/tokenizers/" + name, {.max_values = 200'000});
  INFO((v ? "" : v.error().message));
  REQUIRE(v);
  return *v;
}

char32_t code(const molmo::json::Value& v) { return static_cast<char32_t>(*v.as_integer("code", 0, 0x10FFFF)); }

std::string utf8(const std::u32string& chars) {
  std::string s;
  for (const char32_t c : chars) append_utf8(s, c);
  return s;
}

// The slowest way to decode one character, straight from RFC 3629.
std::size_t valid_length(std::string_view s) {
  const auto b = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return b(i) >= 0x80 && b(i) <= 0xBF; };
  if (s.empty()) return 0;
  if (b(0) <= 0x7F) return 1;
  if (b(0) >= 0xC2 && b(0) <= 0xDF) return tail(1) ? 2 : 0;
  if (b(0) >= 0xE0 && b(0) <= 0xEF) {
    const unsigned c = (b(0) & 15u) << 12 | (b(1) & 63u) << 6 | (b(2) & 63u);
    return tail(1) && tail(2) && c >= 0x800 && !(c >= 0xD800 && c <= 0xDFFF) ? 3 : 0;
  }
  if (b(0) >= 0xF0 && b(0) <= 0xF4) {
    const unsigned c = (b(0) & 7u) << 18 | (b(1) & 63u) << 12 | (b(2) & 63u) << 6 | (b(3) & 63u);
    return tail(1) && tail(2) && tail(3) && c >= 0x10000 && c <= 0x10FFFF ? 4 : 0;
  }
  return 0;
}

}  // namespace

TEST_CASE("letters, numbers and white space are those of the split patterns' engine, for every code point", "[tokenizer]") {
  const auto file = read("unicode_classes.json");
  const struct {
    const char* name;
    bool (*has)(CharClass);
  } classes[] = {{"L", is_letter}, {"N", is_number}, {"space", is_space}};
  for (const auto& k : classes) {
    const auto* ranges = file.find(k.name);
    REQUIRE(ranges != nullptr);
    std::vector<bool> expected(0x110000);
    for (std::size_t i = 0; i < ranges->size(); ++i)
      for (char32_t c = code((*ranges)[i][0]); c <= code((*ranges)[i][1]); ++c) expected[c] = true;
    std::size_t wrong = 0;
    for (char32_t c = 0; c < 0x110000; ++c)
      if (!(c >= 0xD800 && c <= 0xDFFF) && k.has(char_class(c)) != expected[c]) ++wrong;
    INFO(k.name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("word characters", "[tokenizer]") {
  for (const char32_t c : {U'a', U'Z', U'0', U'_', U'é', U'日', U'\u0301', U'\u200d', U'Ⅷ', U'Ⓐ', U'\U0001F130', U'‿'}) CHECK(is_word(c));
  for (const char32_t c : {U' ', U'-', U'<', U'½', U'\u00a0', U'。', U'\U0001F44D', U'\u200b'}) CHECK_FALSE(is_word(c));
}

TEST_CASE("NFC of every code point and pair that it changes", "[tokenizer]") {
  const auto file = read("nfc.json");
  std::size_t compared = 0;
  for (const char* part : {"single", "pairs"}) {
    const auto* cases = file.find(part);
    REQUIRE(cases != nullptr);
    for (std::size_t i = 0; i < cases->size(); ++i) {
      const auto& c = (*cases)[i];
      std::u32string in, out;
      for (std::size_t k = 0; k + 1 < c.size(); ++k) in += code(c[k]);
      for (std::size_t k = 0; k < c[c.size() - 1].size(); ++k) out += code(c[c.size() - 1][k]);
      INFO("U+" << std::hex << static_cast<std::uint32_t>(in[0]));
      CHECK(nfc(utf8(in)) == utf8(out));
      CHECK(nfc(utf8(out)) == utf8(out));
      ++compared;
    }
  }
  CHECK(compared > 2000);
}

TEST_CASE("NFC sorts the marks that Hugging Face tokenizers sort, and no younger ones", "[tokenizer]") {
  CHECK(nfc("\u07fd\u0334") == "\u07fd\u0334");  // of class 220 since Unicode 11
  const auto file = read("nfc_marks.json");
  const auto* order = file.find("order");
  REQUIRE(order != nullptr);
  REQUIRE(order->size() == 4);
  for (std::size_t n = 0; n < order->size(); ++n) {
    const auto& marks = (*order)[n];
    const char32_t mark = code(marks[0]);
    for (const bool flip : {false, true}) {
      std::vector<bool> moves(0x110000);
      std::size_t moved = 0, wrong = 0;
      const auto& ranges = marks[flip ? 2 : 1];
      for (std::size_t i = 0; i < ranges.size(); ++i)
        for (char32_t c = code(ranges[i][0]); c <= code(ranges[i][1]); ++c) moves[c] = true, ++moved;
      for (char32_t c = 0; c < 0x20000; ++c) {  // behind them there are no marks that have a class
        if ((c >= 0xD800 && c <= 0xDFFF) || c == mark) continue;
        const std::string before = utf8({c}), after = utf8({mark});
        const std::string pair = flip ? after + before : before + after, swapped = flip ? before + after : after + before;
        if ((nfc(pair) == swapped) != moves[c]) ++wrong;
      }
      INFO("U+" << std::hex << static_cast<std::uint32_t>(mark) << (flip ? " before" : " behind") << " the mark");
      CHECK(wrong == 0);
      CHECK((moved > 10 || mark == 0x345 || mark == 0x334));
    }
  }
}

TEST_CASE("NFC sorts marks, composes what is not blocked, and computes Hangul", "[tokenizer]") {
  CHECK(nfc("e\u0301") == "é");
  CHECK(nfc("a\u0323\u0302") == "ậ");   // dot below, circumflex
  CHECK(nfc("a\u0302\u0323") == "ậ");   // the same in the other order
  CHECK(nfc("a\u0302\u0302") == "â\u0302");
  CHECK(nfc("q\u0307\u0323") == "q\u0323\u0307");
  CHECK(nfc("\u1100\u1161\u11a8") == "각");
  CHECK(nfc("가\u11a8") == "각");
  CHECK(nfc("\u0344") == "\u0308\u0301");
  CHECK(nfc("\u0958") == "\u0915\u093c");  // excluded from composition
  CHECK(nfc("plain text, naïve") == "plain text, naïve");
  CHECK_FALSE(nfc_is_needed("plain text, naïve 日本語 각"));
  std::string marks = "a", sorted = "ạ";  // a long run of marks is sorted in n log n
  for (int i = 0; i < 100'000; ++i) marks += i % 2 ? "\u0323" : "\u0307";
  for (int i = 1; i < 100'000; ++i) sorted += i < 50'000 ? "\u0323" : "\u0307";
  CHECK((nfc(marks) == sorted));
}

TEST_CASE("UTF-8 is read strictly", "[tokenizer]") {
  CHECK_FALSE(first_invalid_utf8(""));
  CHECK_FALSE(first_invalid_utf8("a\u00e9\u65e5\U0001F44D\U0010FFFF\uFFFF"));
  CHECK(first_invalid_utf8("abc\x80") == 3);
  CHECK(first_invalid_utf8("\xC0\x80") == 0);              // overlong NUL
  CHECK(first_invalid_utf8("12345678\xE0\x9F\xBF") == 8);  // overlong, behind a word of ASCII
  CHECK(first_invalid_utf8("a\xED\xA0\x80") == 1);         // a surrogate
  CHECK(first_invalid_utf8("\xF4\x90\x80\x80") == 0);      // U+110000
  CHECK(first_invalid_utf8("\xF0\x8F\xBF\xBF") == 0);
  CHECK(first_invalid_utf8("ab\xE6\x97") == 2);            // cut off
  CHECK_FALSE(first_invalid_utf8(std::string_view("a\0b", 3)));
  Random random{13};
  for (int i = 0; i < 20'000; ++i) {
    static constexpr unsigned char bytes[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE6, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF};
    std::string s;
    for (std::size_t n = random.below(12); n > 0; --n) s += static_cast<char>(bytes[random.below(std::size(bytes))]);
    std::size_t good = 0;
    while (good < s.size() && valid_length(std::string_view(s).substr(good)) > 0) good += valid_length(std::string_view(s).substr(good));
    CHECK(first_invalid_utf8(s).value_or(s.size()) == good);
  }
}
