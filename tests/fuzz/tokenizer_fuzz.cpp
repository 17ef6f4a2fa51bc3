// SPDX-License-Identifier: Apache-2.0
// Fuzzes tokenizers. First byte '{': up to the first NUL byte a tokenizer.json, behind it a text. Any other first byte:
// it chooses one of the tokenizers below, the rest is a text. Texts are encoded if they are UTF-8, and read as a list
// of ids besides. First byte '*': as '{', with '{' for it, and the text is repeated to 64 kB and must be encoded in
// time, which finds what is not linear.
#include "fuzz.hpp"

#include <molmo/io/tokenizer/tokenizer.hpp>

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

using namespace molmo;
using molmo_fuzz::expect;
using molmo_fuzz::expect_message;

namespace {

using Ids = std::vector<std::int32_t>;

void check_decoding(const Tokenizer& t, const Ids& ids) {
  std::size_t token_bytes = 0;
  for (const std::int32_t id : ids) token_bytes += t.token(id).size() + 1;  // a space between tokens
  for (const bool skip_special : {true, false}) {
    const std::string whole = t.decode(ids, skip_special);
    expect(whole.size() <= 64 * token_bytes, "a token becomes 64 times as many bytes at most");
    expect(!tokenizer::first_invalid_utf8(whole), "decoded text is UTF-8");
    StreamDecoder stream(t, skip_special);
    for (int round = 0; round < 2; ++round) {  // the second time with the state that finish() left
      std::string parts;
      for (const std::int32_t id : ids) {
        const std::string_view part = stream.push(id);
        expect(!tokenizer::first_invalid_utf8(part), "a stream never breaks a character");
        parts += part;
      }
      parts += stream.finish();
      expect(parts == whole, "a stream gives the text of the whole");
    }
  }
}

void check_text(const Tokenizer& t, std::string_view text, bool lossless) {
  for (const EncodeOptions options : {EncodeOptions{}, EncodeOptions{.add_special = false, .parse_special = true}}) {
    const result<Ids> ids = t.encode(text, options);
    expect(ids || !tokenizer::first_invalid_utf8(text) || ids.error().code == errc::invalid_argument, "broken UTF-8 is an invalid argument");
    if (!ids) {
      expect_message(ids.error().message);
      continue;
    }
    expect(!tokenizer::first_invalid_utf8(text).has_value(), "what is encoded is UTF-8");
    for (const std::int32_t id : *ids) expect(id >= 0 && id < t.size(), "ids are in range");
    expect(ids->size() <= 16 * text.size() + 4096 + 1024, "a byte becomes 16 ids at most");
    expect(*t.encode(text, options) == *ids, "the same text has the same ids");
    check_decoding(t, *ids);
    if (lossless) expect(t.decode(*ids, false) == text, "byte-level ids decode to their text");
  }
  Ids ids;  // bytes as ids, some of them negative; every fourth one large
  for (const char c : text) ids.push_back(ids.size() % 4 == 3 ? (c << 20) : static_cast<signed char>(c) + 100);
  check_decoding(t, ids);
}

/// A text of 64 kB must take no more processor time than a generous number of steps for each of its bytes and ids.
void check_time(const Tokenizer& t, std::string_view unit) {
  std::string text;
  while (!unit.empty() && text.size() < (1u << 16)) text += unit;
  const std::clock_t start = std::clock();
  const result<Ids> ids = t.encode(text);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const std::size_t made = ids ? ids->size() : 16 * text.size();
  expect(seconds < 0.1 + 4e-6 * static_cast<double>(text.size() + made), "time is linear in the text");
}

std::string byte_level(std::string_view pre_tokenizer, std::string_view more) {
  std::string vocab;
  for (unsigned b = 0; b < 256; ++b) {
    vocab += b ? ",\"" : "\"";
    if (b == '"' || b == '\\') vocab += '\\';
    tokenizer::append_utf8(vocab, tokenizer::char_of_byte[b]);
    vocab += text("\":", b);
  }
  return text(R"({"added_tokens":[{"id":300,"content":"<s>","special":true},{"id":301,"content":"  ","normalized":false},)",
              R"({"id":302,"content":"a ","rstrip":true,"lstrip":true},{"id":303,"content":"abc","single_word":true}],"pre_tokenizer":)",
              pre_tokenizer, R"(,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{)", vocab,
              R"(,"aa":256,"aaa":257,"aaaa":258,"ĠĠ":259,"Ġa":260,"ab":261,"Ã©":262},"merges":["a a","aa a","Ġ Ġ","Ġ a","aa aa","a b","Ã ©"]})", more, "}");
}

std::string split(std::string_view regex) {
  return text(R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":")", regex,
              R"("},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})");
}

struct Fixed {
  Tokenizer tokenizer;
  bool lossless;
};

const std::vector<Fixed>& fixed() {
  static const std::vector<Fixed> all = [] {
    const std::string gpt2 = R"({"type":"ByteLevel","add_prefix_space":false})";
    const std::string llama3 =
        split(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
    const std::string o200k = split(
        R"([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
        R"([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
        R"(\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
    const std::string sentencepiece =
        R"({"added_tokens":[{"id":1,"content":"<s>","special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},)"
        R"({"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},)"
        R"({"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},"decoder":{"type":"Sequence","decoders":[)"
        R"({"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},)"
        R"("model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"<s>":1,"▁":2,"a":3,"b":4,"▁a":5,"▁▁":6,"ab":7,"▁ab":8,)"
        R"(".":9,".▁":10,"aa":11,"<0xC3>":101,"<0xA9>":102,"<0xE2>":103,"<0x96>":104,"<0x81>":105,"<0xF0>":106,"<0x9F>":107},)"
        R"("merges":["▁ a","a b","▁ ▁","▁ ab",". ▁","▁a b","a a"]}})";
    std::vector<Fixed> made;
    const auto add = [&](const std::string& json, bool lossless) {
      auto t = Tokenizer::from_json(json);
      if (!t) expect(false, t.error().message);
      made.push_back({std::move(*t), lossless});
    };
    add(byte_level(gpt2, ""), false);  // its added tokens swallow white space
    add(byte_level(llama3, R"(,"normalizer":{"type":"NFC"})"), false);
    add(byte_level(o200k, ""), false);
    add(sentencepiece, false);
    std::string plain = byte_level(gpt2, "");
    plain.replace(0, plain.find("\"pre_tokenizer\""), "{");
    add(plain, true);
    return made;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string copy(reinterpret_cast<const char*>(data), size);
  const bool timed = copy[0] == '*';
  if (timed) copy[0] = '{';
  if (copy[0] != '{') {
    const Fixed& f = fixed()[data[0] % fixed().size()];
    check_text(f.tokenizer, std::string_view(copy).substr(1), f.lossless);
    return 0;
  }
  const std::size_t end = std::min(copy.find('\0'), copy.size());
  const result<Tokenizer> t = Tokenizer::from_json(std::string_view(copy).substr(0, end));
  if (!t) {
    expect_message(t.error().message);
    return 0;
  }
  const std::string_view given = std::string_view(copy).substr(std::min(end + 1, copy.size()));
  check_text(*t, given, false);
  if (timed) check_time(*t, given);
  check_text(*t, "<s>a ab  Aab's <0x41>\n▁▁é", false);
  return 0;
}
