// SPDX-License-Identifier: Apache-2.0
// What the tokenizer tests share: a tokenizer.json put together from parts, random texts, files.
#pragma once

#include <molmo/io/json_file.hpp>
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <support/catch.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_test {

using Ids = std::vector<std::int32_t>;

inline std::string json_string(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// The parts of a tokenizer.json, each as JSON text.
struct File {
  std::string vocab = R"({"a":0,"b":1,"c":2,"ab":3,"abc":4,"bc":5})";
  std::string merges = R"([["a","b"],["ab","c"],["b","c"]])";
  std::string model_type = "BPE";
  std::string model_extra;  // ,"key":value ...
  std::string added = "[]";
  std::string normalizer = "null", pre_tokenizer = "null", post_processor = "null", decoder = R"({"type":"ByteLevel"})";

  std::string json() const {
    return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" + added + R"(,"normalizer":)" + normalizer +
           R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" + post_processor + R"(,"decoder":)" + decoder +
           R"(,"model":{"type":")" + model_type + "\"" + model_extra + R"(,"vocab":)" + vocab + R"(,"merges":)" + merges + "}}";
  }
  molmo::result<molmo::Tokenizer> load() const { return molmo::Tokenizer::from_json(json()); }
};

/// An added token's JSON; `flags` is ,"lstrip":true ...
inline std::string added(int id, std::string_view content, bool special, std::string_view flags = "") {
  return "{\"id\":" + std::to_string(id) + ",\"content\":" + json_string(content) + ",\"special\":" + (special ? "true" : "false") +
         std::string(flags) + "}";
}

/// A byte-level file whose vocabulary is the 256 byte characters (id = byte) and the products of `merges`, ids from 256
/// on.
inline File byte_level(const std::vector<std::pair<std::string, std::string>>& merges = {}, std::string_view use_regex = "true") {
  File f;
  int id = 0;
  f.vocab = "{";
  for (unsigned b = 0; b < 256; ++b) {
    std::string token;
    molmo::tokenizer::append_utf8(token, molmo::tokenizer::char_of_byte[b]);
    f.vocab += (id ? "," : "") + json_string(token) + ":" + std::to_string(id);
    ++id;
  }
  f.merges = "[";
  for (const auto& [a, b] : merges) {
    f.merges += (id > 256 ? ",[" : "[") + json_string(a) + "," + json_string(b) + "]";
    f.vocab += "," + json_string(a + b) + ":" + std::to_string(id++);
  }
  f.vocab += "}";
  f.merges += "]";
  f.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":)" + std::string(use_regex) + "}";
  return f;
}

/// Everything streamed, put together.
inline std::string streamed(const molmo::Tokenizer& t, const Ids& ids, bool skip_special = true) {
  molmo::StreamDecoder stream(t, skip_special);
  std::string out;
  for (const auto id : ids) {
    const std::string_view part = stream.push(id);
    CHECK(!molmo::tokenizer::first_invalid_utf8(part));
    out += part;
  }
  return out += stream.finish();
}

/// Small deterministic random numbers (SplitMix64).
struct Random {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t x = (state += 0x9E3779B97F4A7C15u);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>((*this)() % n); }
};

/// Text that is hard for tokenizers: many kinds of space, marks, digits, contractions, any code point.
inline std::string hard_text(Random& random, std::size_t chars) {
  static constexpr std::string_view parts[] = {" ", " ", "  ", "\n", "\r\n", "\t", "a", "B", "the", "'s", "'LL", "1", "23", "!", "...",
                                               "é", "e\u0301", "\u00a0", "日本", "٣", "👍🏽", "ǅ", "\u200d", "▁", "<s>", "x", "\u1100\u1161\u11a8"};
  std::string out;
  for (std::size_t i = 0; i < chars; ++i) {
    if (random.below(8) == 0) {
      char32_t c = static_cast<char32_t>(random.below(0x110000));
      if (c >= 0xD800 && c <= 0xDFFF) c = 'z';
      molmo::tokenizer::append_utf8(out, c);
    } else {
      out += parts[random.below(std::size(parts))];
    }
  }
  return out;
}

/// Every tokenizer that is at hand: name -> tokenizer.json. Those of other folders only where these exist.
inline std::map<std::string, std::string> all_tokenizers() {
  namespace fs = std::filesystem;
  std::map<std::string, std::string> found;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(fs::path(MOLMO_TEST_DATA_DIR) / "tokenizers", ec))
    if (fs::exists(entry.path() / "tokenizer.json")) found[entry.path().filename().string()] = (entry.path() / "tokenizer.json").string();
  const fs::path shakespeare = fs::path(MOLMO_MODELS_DIR) / "shakespeare" / "tokenizer.json";
  const fs::path stories = fs::path(MOLMO_SHARED_DIR) / "models" / "stories260K" / "tokenizer.json";
  if (fs::exists(shakespeare, ec)) found["shakespeare"] = shakespeare.string();
  if (fs::exists(stories, ec)) found["stories260K"] = stories.string();
  return found;
}

}  // namespace tokenizer_test
