// SPDX-License-Identifier: Apache-2.0
// Pieces of the split patterns. The expected pieces are those of Hugging Face tokenizers' Split; ids on a large corpus
// are compared in golden_test.cpp.
#include "support.hpp"

#include <molmo/io/tokenizer/split.hpp>

using namespace tokenizer_test;
using molmo::tokenizer::SplitRules;

namespace {

constexpr SplitRules gpt2{SplitRules::Family::gpt2, 0}, llama3{SplitRules::Family::cl100k, 3}, qwen2{SplitRules::Family::cl100k, 1},
    o200k{SplitRules::Family::o200k, 3};

std::vector<std::string> pieces(const SplitRules& rules, std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = rules.next(text, at);
    REQUIRE(end > at);
    REQUIRE(end <= text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

using Pieces = std::vector<std::string>;

}  // namespace

TEST_CASE("the GPT-2 pattern", "[tokenizer]") {
  CHECK(pieces(gpt2, "Hello world's 123abc!?") == Pieces{"Hello", " world", "'s", " 123", "abc", "!?"});
  CHECK(pieces(gpt2, "I'LL we'll 're") == Pieces{"I", "'", "LL", " we", "'ll", " '", "re"});
  CHECK(pieces(gpt2, "a   b\n\nc ") == Pieces{"a", "  ", " b", "\n", "\n", "c", " "});
  CHECK(pieces(gpt2, "  \t") == Pieces{"  \t"});
  CHECK(pieces(gpt2, "x \u00a0y") == Pieces{"x", " ", "\u00a0", "y"});
  CHECK(pieces(gpt2, "e\u0301t\u00e9 日本。٣") == Pieces{"e", "\u0301", "t\u00e9", " 日本", "。", "٣"});
}

TEST_CASE("the Llama-3 and Qwen2 patterns", "[tokenizer]") {
  CHECK(pieces(llama3, "I'LL don'T 12345") == Pieces{"I", "'LL", " don", "'T", " ", "123", "45"});
  CHECK(pieces(qwen2, "12345 6") == Pieces{"1", "2", "3", "4", "5", " ", "6"});
  CHECK(pieces(llama3, "'\u017fx") == Pieces{"'\u017f", "x"});  // long s is an s when case is ignored
  CHECK(pieces(llama3, "a\t\tb  c") == Pieces{"a", "\t", "\tb", " ", " c"});
  CHECK(pieces(llama3, "a \r\n \n  b") == Pieces{"a", " \r\n \n", " ", " b"});
  CHECK(pieces(llama3, "end.\n\n\tx") == Pieces{"end", ".\n\n", "\tx"});
  CHECK(pieces(llama3, " !!\r\n1") == Pieces{" !!\r\n", "1"});
  CHECK(pieces(llama3, "...abc(def") == Pieces{"...", "abc", "(def"});
  CHECK(pieces(llama3, "x   ") == Pieces{"x", "   "});
}

TEST_CASE("the o200k pattern", "[tokenizer]") {
  CHECK(pieces(o200k, "HelloWorld HTTPServer don't DON'T") == Pieces{"Hello", "World", " HTTPServer", " don't", " DON'T"});
  CHECK(pieces(o200k, "aAªB") == Pieces{"a", "Aª", "B"});
  CHECK(pieces(o200k, "a/b //\n/x") == Pieces{"a", "/b", " //\n/", "x"});
  CHECK(pieces(o200k, "e\u0301\u0301x 1234") == Pieces{"e\u0301\u0301x", " ", "123", "4"});
}

TEST_CASE("patterns are recognised by their text only", "[tokenizer]") {
  CHECK(molmo::tokenizer::known_split_pattern(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"));
  for (const char* unknown : {"", "(a+)+$", R"(\w+|[^\w\s]+)", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+)"}) {
    CHECK_FALSE(molmo::tokenizer::known_split_pattern(unknown));
    File f = byte_level();
    f.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":)" + json_string(unknown) + R"(},"behavior":"Isolated","invert":false})";
    const auto t = f.load();
    REQUIRE_FALSE(t);
    CHECK(t.error().code == molmo::errc::unsupported);
    CHECK(t.error().message.find(molmo::in_quotes(unknown)) != std::string::npos);
  }
}

TEST_CASE("scanners cover any text with whole characters, in linear time", "[tokenizer]") {
  Random random{21};
  for (int i = 0; i < 2000; ++i) {
    const std::string text = hard_text(random, random.below(50));
    for (const auto& rules : {gpt2, llama3, qwen2, o200k}) {
      std::string joined;
      for (const auto& p : pieces(rules, text)) {
        CHECK(!molmo::tokenizer::first_invalid_utf8(p));
        joined += p;
      }
      CHECK(joined == text);
    }
  }
  for (const char* unit : {"a", " ", "\n", "1", "日", "A", "'", "\u0301", "ª", "Aª", " \n", "\t ", "\u3000", "'s", "/\n"}) {
    std::string text;
    while (text.size() < 128 * 1024) text += unit;
    for (const auto& rules : {gpt2, llama3, qwen2, o200k}) {
      std::size_t pieces_seen = 0;
      for (std::size_t at = 0; at < text.size(); ++pieces_seen) at = rules.next(text, at);
      CHECK(pieces_seen > 0);  // that it ends soon is the test: quadratic steps would take minutes
    }
  }
}
