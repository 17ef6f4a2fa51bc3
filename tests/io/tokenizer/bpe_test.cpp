// SPDX-License-Identifier: Apache-2.0
// Merging: both algorithms against the loop of the definition; unknown characters, byte fallback, affixes,
// ignore_merges.
#include "support.hpp"

using namespace tokenizer_test;
using molmo::tokenizer::Merges;

namespace {

/// The definition: merge the pair of the lowest rank, the leftmost of equals, until there is none.
Ids merged_naively(const Merges& merges, Ids ids) {
  for (;;) {
    std::size_t best = ids.size();
    auto rank = Merges::no_rank;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      if (const auto p = merges.find(ids[i], ids[i + 1]); p.rank < rank) rank = p.rank, best = i;
    if (best == ids.size()) return ids;
    ids[best] = merges.find(ids[best], ids[best + 1]).id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

molmo::result<Ids> encoded(const File& f, std::string_view text) {
  const auto t = f.load();
  INFO((t ? "" : t.error().message));
  REQUIRE(t);
  return t->encode(text);
}

}  // namespace

TEST_CASE("scan and heap give what the definition of the merges gives", "[tokenizer]") {
  Random random{31};
  molmo::tokenizer::MergeSpace space;
  for (int round = 0; round < 300; ++round) {
    Merges merges;
    const std::size_t alphabet = 2 + random.below(6);
    molmo::tokenizer::Id next = static_cast<molmo::tokenizer::Id>(alphabet);
    for (std::size_t i = 0; i < 1 + random.below(60); ++i) {
      const auto left = static_cast<molmo::tokenizer::Id>(random.below(static_cast<std::size_t>(next)));
      const auto right = static_cast<molmo::tokenizer::Id>(random.below(static_cast<std::size_t>(next)));
      REQUIRE(merges.add(left, right, next));
      ++next;
    }
    for (int k = 0; k < 20; ++k) {
      Ids ids(random.below(k < 15 ? 30 : 300));
      for (auto& id : ids) id = static_cast<molmo::tokenizer::Id>(random.below(alphabet));
      const Ids expected = merged_naively(merges, ids);
      Ids scan = ids, heap = ids, chosen = ids;
      molmo::tokenizer::merge_by_scan(merges, scan, space);
      molmo::tokenizer::merge_by_heap(merges, heap, space);
      molmo::tokenizer::merge_symbols(merges, chosen, space);
      CHECK(scan == expected);
      CHECK(heap == expected);
      CHECK(chosen == expected);
    }
  }
}

TEST_CASE("the lowest rank wins, then the leftmost", "[tokenizer]") {
  File f;
  CHECK(*encoded(f, "abc") == Ids{4});
  f.merges = R"([["b","c"],["a","b"]])";
  CHECK(*encoded(f, "abc") == Ids{0, 5});
  f.vocab = R"({"a":7,"aa":8,"aaa":9})";
  f.merges = R"(["a a"])";  // the older form
  CHECK(*encoded(f, "aaaaa") == Ids{8, 8, 7});
  f.merges = R"(["a a","aa a","#version: 0.2"])";
  CHECK(*encoded(f, "aaaaa") == Ids{8, 9});
}

TEST_CASE("a merge that stands twice has the later rank", "[tokenizer]") {
  File f;
  f.merges = R"([["a","b"],["b","c"],["a","b"]])";
  CHECK(*encoded(f, "abc") == Ids{0, 5});
}

TEST_CASE("characters without a token", "[tokenizer]") {
  File f;
  CHECK(*encoded(f, "aéb") == Ids{3});  // without an unknown token they are dropped, and merges reach across
  f.vocab = R"({"<unk>":0,"a":1,"b":2,"<0xC3>":3,"<0xA9>":4})";
  f.merges = "[]";
  f.model_extra = R"(,"unk_token":"<unk>")";
  CHECK(*encoded(f, "aéèb") == Ids{1, 0, 0, 2});
  f.model_extra = R"(,"unk_token":"<unk>","fuse_unk":true)";
  CHECK(*encoded(f, "aéèb") == Ids{1, 0, 2});
  f.model_extra = R"(,"unk_token":"<unk>","byte_fallback":true)";
  CHECK(*encoded(f, "aéb") == Ids{1, 3, 4, 2});
  CHECK(*encoded(f, "aèb") == Ids{1, 0, 2});     // a byte is missing: the whole character is unknown
  // an unknown token waits while bytes pass, as in Hugging Face tokenizers
  CHECK(*encoded(f, "aèéb") == Ids{1, 3, 4, 0, 2});
  f.model_extra = R"(,"unk_token":"<none>")";
  const auto t = f.load();
  REQUIRE(t);
  CHECK(t->encode("ab"));
  const auto bad = t->encode("aé");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("<none>") != std::string::npos);
}

TEST_CASE("affixes and ignore_merges", "[tokenizer]") {
  File f;
  f.vocab = R"({"a":0,"##b":1,"##c":2,"ab":3,"##bc":4,"abc":5,"x</w>":6,"x":7})";
  f.merges = R"([["##b","##c"],["a","##bc"]])";
  f.model_extra = R"(,"continuing_subword_prefix":"##")";
  CHECK(*encoded(f, "abc") == Ids{5});
  CHECK(*encoded(f, "ab") == Ids{0, 1});
  f.merges = "[]";
  f.model_extra = R"(,"end_of_word_suffix":"</w>")";
  CHECK(*encoded(f, "xx") == Ids{7, 6});
  File g;
  g.merges = "[]";
  CHECK(*encoded(g, "abc") == Ids{0, 1, 2});
  g.model_extra = R"(,"ignore_merges":true)";
  CHECK(*encoded(g, "abc") == Ids{4});
  CHECK(*encoded(g, "abca") == Ids{0, 1, 2, 0});
  g.added = "[" + added(4, "abc", true) + "]";  // a control token: text does not become one
  CHECK(*encoded(g, "abc") == Ids{0, 1, 2});
}

TEST_CASE("cutting text at U+2581 changes no id", "[tokenizer]") {
  // The same model twice: the second has a token that begins within, so that nothing may be cut.
  File f;
  f.model_extra = R"(,"unk_token":"?","fuse_unk":true)";
  f.vocab = R"({"?":0,"a":1,"b":2,"▁":3,"▁a":4,"▁▁":5,"▁▁a":6,".":7,".▁":8,"b.▁":9,"▁b":10})";
  f.merges = R"([["▁","▁"],["▁","a"],["▁▁","a"],[".","▁"],["b",".▁"],["▁","b"]])";
  const auto cut = f.load();
  REQUIRE(cut);
  f.model_extra = R"(,"unk_token":"?","fuse_unk":true,"end_of_word_suffix":"")";
  f.vocab.insert(f.vocab.size() - 1, R"(,"?a":11)");
  f.merges.insert(f.merges.size() - 1, R"(,["?","a"])");  // a merge of the unknown token forbids cuts
  const auto whole = f.load();
  REQUIRE(whole);
  Random random{32};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::size_t n = random.below(60); n > 0; --n) {
      static constexpr const char* parts[] = {"a", "b", ".", "▁", "▁", "é"};
      const char* part = parts[random.below(6)];
      if (std::string_view(part) == "a" && text.ends_with("é")) continue;  // would use the extra merge
      text += part;
    }
    CHECK(*cut->encode(text) == *whole->encode(text));
  }
  std::string long_run;
  for (int i = 0; i < 5000; ++i) long_run += "▁a.▁▁b";
  CHECK(*cut->encode(long_run) == *whole->encode(long_run));
}
