// SPDX-License-Identifier: Apache-2.0
// Ids and texts against Hugging Face tokenizers on the hard corpus (tools/make_tokenizer_golden.py), and relations on
// them.
#include "support.hpp"

using namespace tokenizer_test;

namespace {

Ids ids_of(const molmo::json::Value& list) {
  Ids ids;
  for (std::size_t i = 0; i < list.size(); ++i) ids.push_back(static_cast<std::int32_t>(*list[i].as_integer("id", 0, 1 << 30)));
  return ids;
}

molmo::json::Value read(const std::string& path) {
  auto v = molmo::read_json(path, {.max_bytes = std::size_t{1} << 24, .max_values = 2'000'000});
  INFO((v ? "" : v.error().message));
  REQUIRE(v);
  return *v;
}

}  // namespace

TEST_CASE("tokenizers give the ids and texts of Hugging Face tokenizers", "[tokenizer]") {
  const std::string folder = std::string(MOLMO_TEST_DATA_DIR) + "/tokenizers/";
  const molmo::json::Value corpus_file = read(folder + "corpus.json");
  const molmo::json::Value* corpus = corpus_file.find("strings");
  REQUIRE(corpus != nullptr);
  REQUIRE(corpus->size() > 100);
  const auto tokenizers = all_tokenizers();
  REQUIRE(tokenizers.size() >= 11);
  std::size_t compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename().string();
    if (tokenizers.count(name) == 0) {
      WARN("skipped " << name << ": its tokenizer.json is not here");
      continue;
    }
    INFO("tokenizer " << name);
    const auto t = molmo::Tokenizer::from_file(tokenizers.at(name));
    INFO((t ? "" : t.error().message));
    REQUIRE(t);
    const molmo::json::Value golden = read((entry.path() / "golden.json").string());
    const Ids before = ids_of(*golden.find("before")), after = ids_of(*golden.find("after"));
    const molmo::json::Value& cases = *golden.find("cases");
    REQUIRE(cases.size() == corpus->size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::string_view string = *(*corpus)[i].as_string("string");
      INFO("case " << i << ": " << molmo::in_quotes(string));
      const Ids expected = ids_of(*cases[i].find("ids"));
      const auto plain = t->encode(string, {.add_special = false, .parse_special = true});
      REQUIRE(plain);
      CHECK(*plain == expected);

      Ids whole = before;
      whole.insert(whole.end(), expected.begin(), expected.end());
      whole.insert(whole.end(), after.begin(), after.end());
      const auto with_special = t->encode(string, {.parse_special = true});
      REQUIRE(with_special);
      CHECK(*with_special == whole);

      const auto* skip = cases[i].find("decode_skip");
      const auto* keep = cases[i].find("decode");
      const std::string skipped(skip ? *skip->as_string("decode_skip") : string);
      const std::string kept(keep ? *keep->as_string("decode") : std::string_view(skipped));
      CHECK(t->decode(whole) == skipped);
      CHECK(t->decode(whole, false) == kept);
      CHECK(streamed(*t, whole) == skipped);
      CHECK(streamed(*t, whole, false) == kept);
      ++compared;
    }
  }
  CHECK(compared >= 11 * corpus->size());
}

TEST_CASE("what byte-level tokenizers encode they decode again", "[tokenizer]") {
  Random random{11};
  for (const auto& [name, path] : all_tokenizers()) {
    const auto t = molmo::Tokenizer::from_file(path);
    REQUIRE(t);
    const bool lossless = name == "gpt2" || name == "llama3" || name == "cl100k" || name == "olmo2";
    for (int i = 0; i < 200; ++i) {
      const std::string text = hard_text(random, random.below(60));
      INFO(name << ": " << molmo::in_quotes(text, 1000));
      const auto ids = t->encode(text, {.add_special = false});
      REQUIRE(ids);
      if (lossless) CHECK(t->decode(*ids, false) == text);
      CHECK(streamed(*t, *ids) == t->decode(*ids));
      // no control tokens out of plain text
      for (const auto id : *ids) CHECK((!t->is_special(id) || t->token(id) == "<unk>"));
    }
  }
}

TEST_CASE("streams of any ids give the text of the whole, and never broken UTF-8", "[tokenizer]") {
  Random random{12};
  for (const auto& [name, path] : all_tokenizers()) {
    const auto t = molmo::Tokenizer::from_file(path);
    REQUIRE(t);
    for (int i = 0; i < 300; ++i) {
      Ids ids(random.below(40));
      for (auto& id : ids) id = static_cast<std::int32_t>(random.below(static_cast<std::size_t>(t->size()) + 2)) - 1;
      INFO(name << " " << i);
      for (const bool skip : {true, false}) {
        const std::string whole = t->decode(ids, skip);
        CHECK(!molmo::tokenizer::first_invalid_utf8(whole));
        CHECK(streamed(*t, ids, skip) == whole);
      }
    }
  }
}

TEST_CASE("stories260K encodes its story", "[tokenizer]") {
  const auto tokenizers = all_tokenizers();
  if (tokenizers.count("stories260K") == 0) {
    WARN("skipped: the folder of shared models is not here");
    return;
  }
  const auto t = molmo::Tokenizer::from_file(tokenizers.at("stories260K"));
  REQUIRE(t);
  const auto ids = t->encode("Once upon a time");
  REQUIRE(ids);
  CHECK(*ids == Ids{1, 403, 407, 261, 378});
  CHECK(t->decode(*ids) == "Once upon a time");
  CHECK(t->size() == 512);
  CHECK(t->token(403) == "▁Once");
  CHECK(t->id_of("</s>") == 2);
  CHECK(t->is_special(2));
}
