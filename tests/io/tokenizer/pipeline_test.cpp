// SPDX-License-Identifier: Apache-2.0
// Normalizers, pre-tokenizers and post-processors one by one. The expected ids were made with Hugging Face tokenizers.
#include "support.hpp"

using namespace tokenizer_test;

namespace {

/// The pieces of a text, made visible: every piece that is in the vocabulary of `ignore_merges` has an id of its own.
std::vector<std::string> pieces(const std::string& pre_tokenizer, std::string_view text, const std::string& normalizer = "null") {
  File f;
  f.normalizer = normalizer;
  auto n = molmo::json::parse(normalizer);
  REQUIRE(n);
  auto p = molmo::json::parse(pre_tokenizer);
  REQUIRE(p);
  const auto made = molmo::tokenizer::PreTokenizer::make(*p);
  INFO((made ? "" : made.error().message));
  REQUIRE(made);
  const auto normal = molmo::tokenizer::Normalizer::make(*n);
  REQUIRE(normal);
  std::string buffer;
  molmo::tokenizer::Growth growth(text.size());
  const auto normalised = normal->apply(text, buffer, growth);
  REQUIRE(normalised);
  std::vector<std::string> out;
  molmo::tokenizer::PreTokenizer::Space space;
  made->cut(*normalised, true, space, growth, [&](std::string_view piece) {
    out.emplace_back(piece);
    return true;
  });
  return out;
}

using Pieces = std::vector<std::string>;

std::string split_on(std::string_view literal, std::string_view behavior, bool invert = false) {
  return R"({"type":"Split","pattern":{"String":)" + json_string(literal) + R"(},"behavior":)" + json_string(behavior) + R"(,"invert":)" +
         (invert ? "true}" : "false}");
}

}  // namespace

TEST_CASE("Split on a literal", "[tokenizer]") {
  CHECK(pieces(split_on("-", "Removed"), "the-final--countdown-") == Pieces{"the", "final", "countdown"});
  CHECK(pieces(split_on("-", "Isolated"), "the-final--countdown") == Pieces{"the", "-", "final", "-", "-", "countdown"});
  CHECK(pieces(split_on("-", "MergedWithPrevious"), "the-final--countdown") == Pieces{"the-", "final-", "-", "countdown"});
  CHECK(pieces(split_on("-", "MergedWithNext"), "the-final--countdown") == Pieces{"the", "-final", "-", "-countdown"});
  CHECK(pieces(split_on("-", "Contiguous"), "the-final--countdown") == Pieces{"the", "-", "final", "--", "countdown"});
  CHECK(pieces(split_on("-", "Removed", true), "a-b--") == Pieces{"-", "-", "-"});
  CHECK(pieces(split_on("aa", "Isolated"), "aaaaa") == Pieces{"aa", "aa", "a"});
}

TEST_CASE("Digits", "[tokenizer]") {
  CHECK(pieces(R"({"type":"Digits","individual_digits":true})", "a12½b") == Pieces{"a", "1", "2", "½", "b"});
  CHECK(pieces(R"({"type":"Digits","individual_digits":false})", "a12½b") == Pieces{"a", "12½", "b"});
}

TEST_CASE("Metaspace", "[tokenizer]") {
  const std::string always = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})";
  CHECK(pieces(always, "Hey   friend!") == Pieces{"▁Hey", "▁", "▁", "▁friend!"});
  CHECK(pieces(always, " x") == Pieces{"▁x"});
  CHECK(pieces(R"({"type":"Metaspace","replacement":"▁","add_prefix_space":false})", "a b") == Pieces{"a", "▁b"});
  CHECK(pieces(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false})", "a b") == Pieces{"▁a▁b"});
  const std::string first = R"({"type":"Sequence","pretokenizers":[)" + split_on("-", "Removed") +
                            R"(,{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}]})";
  CHECK(pieces(first, "a-b c") == Pieces{"▁a", "b", "▁c"});
}

TEST_CASE("ByteLevel", "[tokenizer]") {
  CHECK(pieces(R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true})", "Hi you") == Pieces{" Hi", " you"});
  CHECK(pieces(R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false})", "\nHi you") == Pieces{" \nHi you"});
  CHECK(pieces(R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false})", " x") == Pieces{" x"});
  CHECK(pieces(R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})", "Hi you") == Pieces{"Hi you"});
}

TEST_CASE("normalizers", "[tokenizer]") {
  const std::string llama = R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
  CHECK(pieces("null", "a b", llama) == Pieces{"▁a▁b"});
  CHECK(pieces("null", "", llama).empty());
  CHECK(pieces("null", "e\u0301", R"({"type":"NFC"})") == Pieces{"é"});
  for (const char* unknown : {R"({"type":"NFD"})", R"({"type":"NFKC"})", R"({"type":"Lowercase"})", R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})",
                              R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})", R"({"type":"Replace","pattern":{"String":""},"content":" "})"}) {
    File f;
    f.normalizer = unknown;
    const auto t = f.load();
    REQUIRE_FALSE(t);
    CHECK(t.error().code == molmo::errc::unsupported);
  }
}

TEST_CASE("each stretch between added tokens is normalised by itself", "[tokenizer]") {
  File f;
  f.vocab = R"({"▁":0,"a":1,"b":2})";
  f.merges = "[]";
  f.normalizer = R"({"type":"Prepend","prepend":"▁"})";
  f.added = "[" + added(9, "<x>", false, R"(,"normalized":false)") + "]";
  const auto t = f.load();
  REQUIRE(t);
  CHECK(*t->encode("a<x>b<x><x>") == Ids{0, 1, 9, 0, 2, 9, 9});
}

TEST_CASE("post-processors", "[tokenizer]") {
  File f;
  const auto encoded = [&](molmo::EncodeOptions o = {}) {
    const auto t = f.load();
    INFO((t ? "" : t.error().message));
    REQUIRE(t);
    return *t->encode("a", o);
  };
  const std::string a = R"({"Sequence":{"id":"A","type_id":0}})", s = R"({"SpecialToken":{"id":"<s>","type_id":0}})";
  const auto made = [&](const std::string& single) {
    return R"({"type":"TemplateProcessing","single":[)" + single + R"(],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[5,4],"tokens":["<s>","x"]}}})";
  };
  f.post_processor = made(s + "," + a);
  CHECK(encoded() == Ids{5, 4, 0});
  CHECK(encoded({.add_special = false}) == Ids{0});
  const auto t = f.load();
  REQUIRE(t);
  CHECK(*t->encode("") == Ids{5, 4});
  f.post_processor = made(a + "," + s);
  CHECK(encoded() == Ids{0, 5, 4});
  f.post_processor = R"({"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false},)" + made(a + "," + s) + "]}";
  CHECK(encoded() == Ids{0, 5, 4});
  f.post_processor = R"({"type":"RobertaProcessing","sep":["b",1],"cls":["c",2],"trim_offsets":true,"add_prefix_space":true})";
  CHECK(encoded() == Ids{2, 0, 1});
  f.post_processor = R"({"type":"BertProcessing","sep":["b",1],"cls":["c",99]})";
  CHECK_FALSE(f.load());  // there is no token 99
  for (const std::string& wrong : {made(s), made(a + "," + a), made(R"({"SpecialToken":{"id":"<t>","type_id":0}},)" + a), made("1"),
                                   std::string(R"({"type":"Other"})"), std::string("[]"), std::string("1")}) {
    f.post_processor = wrong;
    CHECK_FALSE(f.load());
  }
}
