// SPDX-License-Identifier: Apache-2.0
// Added tokens: leftmost-longest, special tokens in untrusted text, lstrip, rstrip, single_word, normalized.
// The expected ids were made with Hugging Face tokenizers; larger comparisons are in golden_test.cpp.
#include "support.hpp"

using namespace tokenizer_test;

namespace {

molmo::Tokenizer with_tokens(const std::string& list, const std::string& normalizer = "null") {
  File f = byte_level();
  f.added = "[" + list + "]";
  f.normalizer = normalizer;
  auto t = f.load();
  INFO((t ? "" : t.error().message));
  REQUIRE(t);
  return *t;
}

Ids ids(const molmo::Tokenizer& t, std::string_view text, bool parse_special = true) {
  const auto r = t.encode(text, {.parse_special = parse_special});
  REQUIRE(r);
  return *r;
}

}  // namespace

TEST_CASE("special tokens in a text are text unless asked for", "[tokenizer]") {
  const auto t = with_tokens(added(300, "<s>", true) + "," + added(301, "<t>", false));
  CHECK(ids(t, "a<s>b<t>") == Ids{'a', 300, 'b', 301});
  CHECK(ids(t, "a<s>b<t>", false) == Ids{'a', '<', 's', '>', 'b', 301});
  CHECK(*t.encode("<s>") == Ids{'<', 's', '>'});  // the default
  CHECK(t.decode(Ids{300, 'a', 301}) == "a<t>");
  CHECK(t.decode(Ids{300, 'a', 301}, false) == "<s>a<t>");
  CHECK(t.size() == 302);
  CHECK(t.id_of("<s>") == 300);
  CHECK(t.token(300) == "<s>");
  CHECK(t.token(299).empty());
  CHECK_FALSE(t.id_of("<u>"));
}

TEST_CASE("the longest added token wins at the leftmost place", "[tokenizer]") {
  const auto t = with_tokens(added(300, "<a", false) + "," + added(301, "<ab>", false) + "," + added(302, "b>c", false) + "," +
                             added(303, "  ", false) + "," + added(304, "    ", false));
  CHECK(ids(t, "<ab>c") == Ids{301, 'c'});
  CHECK(ids(t, "<ab") == Ids{300, 'b'});
  CHECK(ids(t, "<b>c") == Ids{'<', 302});
  CHECK(ids(t, "       x") == Ids{304, 303, ' ', 'x'});
  CHECK(ids(t, "<<a") == Ids{'<', 300});
}

TEST_CASE("a special token that is not wanted still covers what is below it", "[tokenizer]") {
  // As with encode_special_tokens of Hugging Face tokenizers: found, left as text, and not searched again.
  const auto t = with_tokens(added(300, "<end>", true, R"(,"normalized":false)") + "," + added(301, "end", false, R"(,"normalized":false)"));
  CHECK(ids(t, "<end>end", false) == Ids{'<', 'e', 'n', 'd', '>', 301});
}

TEST_CASE("white space beside added tokens", "[tokenizer]") {
  const auto t = with_tokens(added(300, "<l>", false, R"(,"lstrip":true)") + "," + added(301, "<r>", false, R"(,"rstrip":true)") + "," +
                             added(302, "<w>", false, R"(,"single_word":true)") + "," + added(303, "word", false, R"(,"single_word":true)"));
  CHECK(ids(t, "a \n\u3000<l> b") == Ids{'a', 300, ' ', 'b'});
  CHECK(ids(t, "a <r> \t b") == Ids{'a', ' ', 301, 'b'});
  CHECK(ids(t, "<r>  <l>x") == Ids{301, 300, 'x'});
  CHECK(ids(t, "<w> a<w>") == Ids{302, ' ', 'a', '<', 'w', '>'});
  CHECK(ids(t, "word swords word1 word") == Ids{303, ' ', 's', 'w', 'o', 'r', 'd', 's', ' ', 'w', 'o', 'r', 'd', '1', ' ', 303});
}

TEST_CASE("normalized tokens are looked for in the normalised text", "[tokenizer]") {
  const std::string nfc = R"({"type":"NFC"})";
  const std::string e_acute = "e\u0301";
  const auto raw = with_tokens(added(300, e_acute, false, R"(,"normalized":false)"), nfc);
  CHECK(ids(raw, "e\u0301") == Ids{300});
  CHECK(ids(raw, "é") == Ids{0xC3, 0xA9});
  const auto normal = with_tokens(added(300, e_acute, false, R"(,"normalized":true)"), nfc);
  CHECK(ids(normal, "xe\u0301") == Ids{'x', 300});
  CHECK(ids(normal, "xé") == Ids{'x', 300});
}

TEST_CASE("tokens that are normalised to the same text: special ones first, then the lowest id", "[tokenizer]") {
  const std::string a_for_b = R"({"type":"Replace","pattern":{"String":"b"},"content":"a"})";
  const std::string plain = added(300, "bbaa", false) + "," + added(301, "abab", false);
  CHECK(ids(with_tokens(plain, a_for_b), "aaaa") == Ids{300});
  CHECK(ids(with_tokens(plain + "," + added(302, "aabb", true, R"(,"normalized":true)"), a_for_b), "aaaa") == Ids{302});
}

TEST_CASE("a token of white space that the token before has taken is none", "[tokenizer]") {
  const auto t = with_tokens(added(300, "<r>", false, R"(,"rstrip":true)") + "," + added(301, "  ", false, R"(,"lstrip":true)"));
  CHECK(ids(t, "<r>  <r>") == Ids{300, 300});
  CHECK(ids(t, "<r>a  <r>") == Ids{300, 'a', 301, 300});
}

TEST_CASE("white space that tokens share is looked at once", "[tokenizer]") {
  const auto t = with_tokens(added(300, "\u00a0", false, R"(,"rstrip":true)") + "," + added(301, "<l>", false, R"(,"lstrip":true)"));
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "\u00a0";
  CHECK(ids(t, text) == Ids(300'000, 300));
  std::string tokens;
  for (int i = 0; i < 100'000; ++i) tokens += " <l>";
  CHECK(ids(t, tokens) == Ids(100'000, 301));
}
