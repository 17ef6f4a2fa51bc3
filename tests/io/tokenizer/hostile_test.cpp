// SPDX-License-Identifier: Apache-2.0
// Files and texts that mean harm: each ends in an error or a right result, soon, and with memory bounded by the input.
#include "support.hpp"

#include <ctime>

using namespace tokenizer_test;

namespace {

std::string refusal(const File& f) {
  const auto t = f.load();
  REQUIRE_FALSE(t);
  CHECK(!t.error().message.empty());
  CHECK(t.error().message.size() < 1000);
  return t.error().message;
}
bool says(const File& f, std::string_view words) { return refusal(f).find(words) != std::string::npos; }

// Processor time: the machine may have other work to do.
class Clock {
 public:
  [[nodiscard]] double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

// Far above what is needed (the test machine may be slow, the build unoptimised) and far below what quadratic time
// would take.
constexpr double soon = 20;

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string s;
  s.reserve(bytes + unit.size());
  while (s.size() < bytes) s += unit;
  return s;
}

}  // namespace

TEST_CASE("ids that are negative, huge, double, fractional or words", "[tokenizer][hostile]") {
  File f;
  for (const char* id : {"-1", "2147483648", "9223372036854775808", "18446744073709551616", "1e3", "1.0", "\"1\"", "null", "[1]", "true", "-0"}) {
    f.vocab = R"({"a":)" + std::string(id) + "}";
    f.merges = "[]";
    CHECK(says(f, "'a'"));
  }
  f.vocab = R"({"a":0,"b":0})";
  CHECK(says(f, "same id 0"));
  f.vocab = R"({"a":0,"a":1})";
  CHECK(says(f, "twice"));
  f.vocab = R"({"a":0,"\u0061":1})";
  CHECK(says(f, "twice"));
  f.vocab = R"({"a":0,"b":2147483647})";  // would need 8 GiB if ids indexed an array unchecked
  CHECK(says(f, "2 tokens, but ids up to 2147483647"));
  f.vocab = R"({"a":0,"b":1000})";  // small gaps are fine
  const auto t = f.load();
  REQUIRE(t);
  CHECK(t->size() == 1001);
  CHECK(*t->encode("ab") == Ids{0, 1000});
  CHECK(t->decode(Ids{0, 500, 1000}) == "ab");
}

TEST_CASE("merges of absent tokens and of other shapes", "[tokenizer][hostile]") {
  File f;
  f.merges = R"([["a","x"]])";
  CHECK(says(f, "'x' is not in the vocabulary"));
  f.merges = R"([["a","c"]])";
  CHECK(says(f, "'ac' is not in the vocabulary"));
  for (const char* merges : {R"(["a b c"])", R"(["ab"])", R"([["a"]])", R"([["a","b","c"]])", R"([[]])", R"([1])", R"([[1,2]])", R"([{}])", R"([[["a"],"b"]])", R"({"a":"b"})"}) {
    f.merges = merges;
    refusal(f);
  }
  f.model_extra = R"(,"continuing_subword_prefix":"######")";
  f.merges = R"([["a","b"]])";
  CHECK(says(f, "continuing_subword_prefix"));
}

TEST_CASE("merges that form a cycle or an empty symbol end", "[tokenizer][hostile]") {
  File f;
  f.vocab = R"({"":0,"a":1,"aa":2,"aaaa":3})";
  f.merges = R"([["","a"],["a",""],["",""],["a","a"],["aa","aa"],["","aa"]])";
  const auto t = f.load();
  REQUIRE(t);
  CHECK(*t->encode("aaaaa") == Ids{3, 1});
}

TEST_CASE("byte tokens that are none", "[tokenizer][hostile]") {
  File f;
  f.vocab = R"({"<0x-1>":0,"<0x100>":1,"<0xZZ>":2,"<0x>":3,"<0x":4,"<0xE">:5})";
  refusal(f);
  f.vocab = R"({"<0x-1>":0,"<0x100>":1,"<0xZZ>":2,"<0x>":3,"<0x":4,"<0xe2>":5,"<0x41>":6})";
  f.merges = "[]";
  f.model_extra = R"(,"byte_fallback":true)";
  f.decoder = R"({"type":"ByteFallback"})";
  const auto t = f.load();
  REQUIRE(t);
  CHECK(*t->encode("A∑") == Ids{6});  // <0xE2> must be upper case when encoding
  CHECK(t->decode(Ids{0, 1, 2, 3, 4, 6}) == "<0x-1><0x100><0xZZ><0x><0xA");
}

TEST_CASE("added tokens that are empty, long, or contradict", "[tokenizer][hostile]") {
  File f;
  f.added = "[" + added(50, "", false) + "]";
  const auto t = f.load();
  REQUIRE(t);
  CHECK(*t->encode("ab") == Ids{3});
  f.added = "[" + added(50, std::string(1 << 19, 'x'), false) + "]";
  CHECK(says(f, "524288 bytes long"));
  f.added = "[" + added(50, std::string(1 << 21, 'x'), false) + "]";
  refusal(f);
  f.added = "[" + added(50, "x", false) + "," + added(50, "y", false) + "]";
  CHECK(says(f, "same id 50"));
  f.added = "[" + added(50, "x", false) + "," + added(51, "x", false) + "]";
  CHECK(says(f, "twice"));
  f.added = "[" + added(0, "x", false) + "]";
  CHECK(says(f, "'x'"));
  f.added = "[" + added(50, "a", false) + "]";
  CHECK(says(f, "'a'"));
  for (const char* wrong : {R"([1])", R"({})", R"([{"id":-1,"content":"x"}])", R"([{"id":2147483648,"content":"x"}])", R"([{"content":"x"}])", R"([{"id":1}])", R"([{"id":50,"content":"x","lstrip":1}])"}) {
    f.added = wrong;
    refusal(f);
  }
  f.added = "[" + added(2147483647, "x", true) + "]";  // the largest id costs no memory
  const auto big = f.load();
  REQUIRE(big);
  CHECK(big->size() == 2147483648);
  CHECK(*big->encode("ax", {.parse_special = true}) == Ids{0, 2147483647});
}

TEST_CASE("what a file may ask for and is not done is named", "[tokenizer][hostile]") {
  File f;
  for (const char* type : {"Unigram", "WordPiece", "WordLevel", "\\u001b[31m"}) {
    f.model_type = type;
    const auto t = f.load();
    REQUIRE_FALSE(t);
    CHECK(t.error().code == molmo::errc::unsupported);
    CHECK(t.error().message.find('\x1b') == std::string::npos);
  }
  f = File();
  f.model_extra = R"(,"dropout":0.1)";
  CHECK(says(f, "dropout"));
  f = File();
  f.pre_tokenizer = R"({"type":"UnicodeScripts"})";
  CHECK(says(f, "'UnicodeScripts'"));
  f.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"(a+)+(a+)+$"},"behavior":"Isolated","invert":false})";
  CHECK(says(f, "(a+)+(a+)+$"));
  f.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false},{"type":"Digits","individual_digits":true}]})";
  CHECK(says(f, "behind ByteLevel"));
  std::string many = R"({"type":"Sequence","pretokenizers":[)";
  for (int i = 0; i < 100; ++i) many += R"({"type":"Digits","individual_digits":true},)";
  many.back() = ']';
  f.pre_tokenizer = many + "}";
  CHECK(says(f, "more than 16"));
  f = File();
  std::string nested;
  for (int i = 0; i < 200; ++i) nested += R"({"type":"Sequence","normalizers":[)";
  f.normalizer = nested;
  refusal(f);
}

TEST_CASE("text that is no tokenizer.json", "[tokenizer][hostile]") {
  for (const char* json : {"", " ", "{", "[]", "1", "null", "\"x\"", "{}}", "{\"model\":1}", "{\"model\":{\"vocab\":[]}}", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0.5]]}}",
                           "\xEF\xBB\xBF{}", "{}", "{\"model\":{}}", "{\"model\":{\"vocab\":{}}}", "{\"model\":{\"vocab\":1,\"merges\":[]}}", "{\"version\":\"2.0\",\"model\":{\"vocab\":{},\"merges\":[]}}", "{\"added_tokens\":[{\"id\":1,\"content\":\"\\ud800\"}]}"}) {
    INFO(json);
    CHECK_FALSE(molmo::Tokenizer::from_json(json));
  }
  const auto empty = molmo::Tokenizer::from_json("{\"model\":{\"vocab\":{},\"merges\":[]}}");
  REQUIRE(empty);
  CHECK(empty->encode("abc")->empty());
  CHECK(empty->size() == 0);
  const File f;
  const std::string whole = f.json();
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(molmo::Tokenizer::from_json(std::string_view(whole).substr(0, n)));
  for (const char* path : {"/nowhere/tokenizer.json", "/", "/dev/zero", "/dev/null"}) CHECK_FALSE(molmo::Tokenizer::from_file(path));
}

TEST_CASE("a replacement that explodes is refused", "[tokenizer][hostile]") {
  File f;
  f.normalizer = R"({"type":"Replace","pattern":{"String":"a"},"content":)" + json_string(std::string(100'000, 'a')) + "}";
  const auto t = f.load();
  REQUIRE(t);
  const auto r = t->encode(std::string(100'000, 'a'));
  REQUIRE_FALSE(r);
  CHECK(r.error().code == molmo::errc::unsupported);
}

TEST_CASE("tokens and merges that differ in few bits are found soon", "[tokenizer][hostile]") {
  // Merges are hashed by their ids, which a file chooses freely; these differ only in bits far apart. More in
  // flat_hash_test.cpp.
  const Clock clock;
  molmo::tokenizer::Merges merges;
  bool all = true;
  for (molmo::tokenizer::Id i = 0; i < 200'000 && all; ++i) all = merges.add(i << 10, (i & 0xFF) << 20, i).has_value();
  molmo::tokenizer::Vocabulary vocabulary;
  for (int i = 0; i < 200'000; ++i) REQUIRE(vocabulary.add(std::string(static_cast<std::size_t>(i % 64), '\0') + std::to_string(i), static_cast<std::uint64_t>(i)));
  REQUIRE(vocabulary.finish());
  for (int i = 0; i < 200'000; ++i) CHECK(vocabulary.find(std::string(static_cast<std::size_t>(i % 64), '\0') + std::to_string(i)) == i);
  CHECK(clock.seconds() < soon);
}

TEST_CASE("a file of 10 MB loads soon", "[tokenizer][hostile]") {
  // 150 000 tokens and as many merges: six letters, made of two halves that are tokens.
  std::string vocab = "{", merges = "[";
  int id = 0;
  const auto half = [](int i) { return std::string{static_cast<char>('a' + i % 26), static_cast<char>('a' + i / 26 % 26), static_cast<char>('a' + i / 676)}; };
  for (int i = 0; i < 26; ++i) vocab += json_string(std::string(1, static_cast<char>('a' + i))) + ":" + std::to_string(id++) + ",\n";
  for (int i = 0; i < 676; ++i) {
    vocab += json_string(half(i).substr(0, 2)) + ":" + std::to_string(id++) + ",\n";
    merges += "[\n" + json_string(half(i).substr(0, 1)) + ",\n" + json_string(half(i).substr(1, 1)) + "\n],\n";
  }
  for (int i = 0; i < 400; ++i) {
    vocab += json_string(half(i)) + ":" + std::to_string(id++) + ",\n";
    merges += "[\n" + json_string(half(i).substr(0, 2)) + ",\n" + json_string(half(i).substr(2)) + "\n],\n";
  }
  for (int i = 0; i < 149'000; ++i) {
    vocab += "      " + json_string(half(i % 400) + half(i / 400)) + ":      " + std::to_string(id++) + ",\n";
    merges += "      [\n        " + json_string(half(i % 400)) + ",\n        " + json_string(half(i / 400)) + "\n      ],\n";
  }
  vocab.resize(vocab.size() - 2);
  merges.resize(merges.size() - 2);
  File f;
  f.vocab = vocab + "}";
  f.merges = merges + "]";
  const std::string json = f.json();
  CHECK(json.size() > 10'000'000);
  const Clock clock;
  const auto t = molmo::Tokenizer::from_json(json);
  CHECK(clock.seconds() < soon);
  INFO((t ? "" : t.error().message));
  REQUIRE(t);
  CHECK(t->token(id - 1) == half(148'999 % 400) + half(148'999 / 400));
  CHECK(t->decode(*t->encode("neither of these words")) == "neitherofthesewords");
}

TEST_CASE("ten million merges", "[tokenizer][hostile]") {
  std::string merges = "[\"a b\"";
  merges.reserve(70'000'000);
  for (int i = 1; i < 10'000'000; ++i) merges += ",\"a b\"";
  File f;
  f.merges = merges + "]";
  const std::string json = f.json();
  const Clock clock;
  const auto t = molmo::Tokenizer::from_json(json);
  CHECK(clock.seconds() < 3 * soon);
  REQUIRE(t);
  CHECK(*t->encode("ab") == Ids{3});
}

TEST_CASE("long runs of one character, and 10 MB of text", "[tokenizer][hostile]") {
  std::vector<std::pair<std::string, std::string>> doubling;
  for (std::string s = "a"; s.size() < 1000; s += s) doubling.emplace_back(s, s);
  doubling.emplace_back("Ġ", "Ġ");
  doubling.emplace_back("ĠĠ", "ĠĠ");
  doubling.emplace_back("Ċ", "Ċ");
  for (const char* regex : {"true", "false"}) {
    const auto t = byte_level(doubling, regex).load();
    REQUIRE(t);
    for (const char* unit : {"a", " ", "\n", "1", "日", "é", "ab ", "a\n ", "\xF0\x9F\x91\x8D"}) {
      const std::string text = repeated(unit, 128 * 1024);
      const Clock clock;
      const auto ids = t->encode(text);
      CHECK(clock.seconds() < soon);
      REQUIRE(ids);
      CHECK((t->decode(*ids) == text));
    }
    const std::string text = repeated("To be, or not to be: that is the question.\n", 10'000'000) + std::string(1000, 'a');
    const Clock clock;
    const auto ids = t->encode(text);
    CHECK(clock.seconds() < soon);
    REQUIRE(ids);
    CHECK((t->decode(*ids) == text));
    CHECK((streamed(*t, Ids(ids->end() - 5000, ids->end())) == t->decode(std::span(*ids).last(5000))));
  }
}

TEST_CASE("one piece of a million symbols, SentencePiece-style", "[tokenizer][hostile]") {
  File f;
  f.vocab = R"({"<unk>":0,"a":1,"aa":2,"aaaa":3,"▁":4,"▁a":5,"▁▁":6})";
  f.merges = R"([["a","a"],["aa","aa"],["▁","▁"],["▁","a"]])";
  f.model_extra = R"(,"unk_token":"<unk>","fuse_unk":true)";
  f.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
  const auto t = f.load();
  REQUIRE(t);
  const Clock clock;
  CHECK(t->encode(repeated("a", 1'000'000))->size() == 250'001);
  CHECK(t->encode(repeated(" ", 999'999))->size() == 500'000);
  CHECK(t->encode(repeated("é", 1'000'000))->size() == 2);
  CHECK(t->encode(repeated("aa ", 999'999))->size() == 2 * 333'333 + 1);
  CHECK(clock.seconds() < soon);
}

TEST_CASE("texts that are no UTF-8 are refused with the offset", "[tokenizer][hostile]") {
  const auto t = byte_level().load();
  REQUIRE(t);
  const auto r = t->encode("abc\xC0\x80");
  REQUIRE_FALSE(r);
  CHECK(r.error().code == molmo::errc::invalid_argument);
  CHECK(r.error().message.find("offset 3") != std::string::npos);
  CHECK(*t->encode(std::string_view("a\0b", 3)) == Ids{'a', 0, 'b'});
}

TEST_CASE("added tokens that overlap in every place take time linear in the text", "[tokenizer][hostile]") {
  File f = byte_level();
  f.added = "[" + added(300, "ab", false);
  for (int k = 2; k < 1023; ++k) f.added += "," + added(299 + k, std::string(static_cast<std::size_t>(k), 'a') + "b", false);
  f.added += "]";
  const auto t = f.load();
  REQUIRE(t);
  const Clock clock;
  CHECK(t->encode(std::string(1'000'000, 'a'))->size() == 1'000'000);
  CHECK(clock.seconds() < soon);  // 46 s on a quiet machine when each place was searched by itself
  CHECK(*t->encode(std::string(1025, 'a') + "b") == Ids{'a', 'a', 'a', 1321});
}

TEST_CASE("added tokens are found across the blocks of a long text", "[tokenizer][hostile]") {
  File f = byte_level();
  f.added = "[" + added(300, "xyz", false) + "," + added(301, "xyzxyz!", false) + "]";
  const auto t = f.load();
  REQUIRE(t);
  for (const std::size_t block : {std::size_t{1} << 14, std::size_t{1} << 15})
    for (std::size_t shift = 0; shift < 9; ++shift) {
      const std::string before(block - shift, '.');
      Ids expected(before.size(), '.');
      expected.insert(expected.end(), {301, 300, '!', '.'});
      CHECK((*t->encode(before + "xyzxyz!xyz!.") == expected));
    }
}

TEST_CASE("added tokens without end are refused", "[tokenizer][hostile]") {
  File f = byte_level();
  f.added = "[";
  Random random{3};
  for (int i = 0; i < 5000; ++i) {
    std::string content;
    while (content.size() < 1000) content += static_cast<char>('a' + random.below(26));
    f.added += (i ? "," : "") + added(300 + i, content, false);
  }
  f.added += "]";
  CHECK(says(f, "the added tokens have more than 4194304 bytes"));
}

TEST_CASE("decoders that multiply a token are refused", "[tokenizer][hostile]") {
  File f;
  const auto replace = [](std::string_view from, std::size_t times) {
    return R"({"type":"Replace","pattern":{"String":)" + json_string(from) + R"(},"content":)" + json_string(std::string(times, 'a')) + "}";
  };
  const auto sequence = [](const std::vector<std::string>& steps) {
    std::string s = R"({"type":"Sequence","decoders":[)";
    for (std::size_t i = 0; i < steps.size(); ++i) s += (i ? "," : "") + steps[i];
    return s + "]}";
  };
  f.decoder = sequence(std::vector<std::string>(16, replace("a", 64)));  // 64^16 bytes for each letter
  CHECK(says(f, "make a token 4096 times longer; the limit is 64"));
  f.decoder = sequence({replace("a", 9), replace("a", 8)});
  CHECK(says(f, "72 times longer"));
  f.decoder = sequence({replace("a", 65)});
  CHECK(says(f, "65 times longer"));
  f.decoder = sequence(std::vector<std::string>(17, replace("b", 1)));
  CHECK(says(f, "more than 16 Replace steps"));
  f.decoder = sequence({replace(std::string(257, 'x'), 1)});
  CHECK(says(f, "a pattern of 257 bytes; the limit is 256"));
  f.decoder = sequence({R"({"type":"Metaspace","replacement":")" + std::string(257, 'x') + R"("})"});
  CHECK(says(f, "decoder Metaspace: replacement"));
  f.decoder = sequence({replace("a", 8), replace("bb", 1), replace("a", 8)});
  const auto t = f.load();
  REQUIRE(t);
  CHECK(t->decode(Ids{0, 1, 0}) == std::string(64, 'a') + "b" + std::string(64, 'a'));
}

TEST_CASE("normalizers and pre-tokenizers that multiply a text are stopped", "[tokenizer][hostile]") {
  const auto stopped = [](const File& f, std::string_view text) {
    const auto t = f.load();
    INFO((t ? "" : t.error().message));
    REQUIRE(t);
    const auto r = t->encode(text);
    REQUIRE_FALSE(r);
    CHECK(r.error().code == molmo::errc::unsupported);
    CHECK(r.error().message.find("more than 16 times longer") != std::string::npos);
  };
  File f;  // pieces double every two stages
  std::string stages = R"({"type":"Digits","individual_digits":true})";
  for (int i = 0; i < 7; ++i)
    stages += R"(,{"type":"Metaspace","replacement":"@","prepend_scheme":"always","split":false},)"
              R"({"type":"Split","pattern":{"String":"@"},"behavior":"Isolated","invert":false})";
  for (const char* c : {"+", "-", "*", "~", "^", ":", ";"}) stages.replace(stages.find('@'), 1, c), stages.replace(stages.find('@'), 1, c);
  f.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[)" + stages + "]}";
  stopped(f, std::string(10'000, '1'));
  const auto few = f.load();
  CHECK(few->encode("1"));  // short texts may still grow to 4 kB

  f = File();  // each stretch between added tokens grows a little, and there are many stretches
  f.normalizer = R"({"type":"Replace","pattern":{"String":"a"},"content":)" + json_string(std::string(4000, 'a')) + "}";
  f.added = "[" + added(50, "|", false, R"(,"normalized":false)") + "]";
  stopped(f, repeated("a|", 10'000));

  f = File();  // growing and shrinking again, many times
  f.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"String":"a"},"content":)" + json_string(std::string(200, 'a')) +
                 R"(},{"type":"Replace","pattern":{"String":)" + json_string(std::string(200, 'a')) + R"(},"content":"a"}]})";
  stopped(f, std::string(10'000, 'a'));

  f = File();  // while loading
  f.normalizer = R"({"type":"Prepend","prepend":)" + json_string(std::string(4000, 'a')) + "}";
  f.added = "[" + added(50, "xx", false);
  for (int i = 1; i < 1000; ++i) f.added += "," + added(50 + i, "x" + std::to_string(i), false);
  f.added += "]";
  CHECK(says(f, "more than 16 times longer"));
}

TEST_CASE("patterns that are compared at every place are short", "[tokenizer][hostile]") {
  const std::string pattern = R"("pattern":{"String":)" + json_string(std::string(257, 'a')) + "}";
  File f;
  f.normalizer = R"({"type":"Replace",)" + pattern + R"(,"content":"b"})";
  CHECK(says(f, "normalizer Replace: a pattern of 257 bytes; the limit is 256"));
  f = File();
  f.pre_tokenizer = R"({"type":"Split",)" + pattern + R"(,"behavior":"Isolated","invert":false})";
  CHECK(says(f, "pre_tokenizer Split: a pattern of 257 bytes; the limit is 256"));
}

TEST_CASE("a post-processor that repeats long lists of ids is refused", "[tokenizer][hostile]") {
  File f;
  std::string ids = "0", single = R"({"Sequence":{"id":"A","type_id":0}})";
  for (int i = 1; i < 1000; ++i) ids += ",0";
  const auto with = [&](int times) {
    std::string pieces = single;
    for (int i = 0; i < times; ++i) pieces += R"(,{"SpecialToken":{"id":"a","type_id":0}})";
    f.post_processor = R"({"type":"TemplateProcessing","single":[)" + pieces + R"(],"special_tokens":{"a":{"id":"a","ids":[)" + ids + R"(],"tokens":["a"]}}})";
  };
  with(1);
  CHECK(f.load()->encode("c")->size() == 1001);
  with(2);
  CHECK(says(f, "more than 1024 ids"));
  std::string roberta;
  for (int i = 0; i < 600; ++i) roberta += std::string(i ? "," : "") + R"({"type":"RobertaProcessing","cls":["a",0],"sep":["a",0]})";
  f.post_processor = R"({"type":"Sequence","processors":[)" + roberta + "]}";
  CHECK(says(f, "more than 1024 ids"));
}
