// SPDX-License-Identifier: Apache-2.0
// The longest pattern at every place, against looking for each of them there.
#include "support.hpp"

#include <molmo/io/tokenizer/longest_match.hpp>

using namespace tokenizer_test;
using molmo::tokenizer::LongestMatch;

namespace {

std::string random_word(Random& random, std::size_t letters, std::size_t length) {
  std::string s;
  while (s.size() < length) s += static_cast<char>('a' + random.below(letters));
  return s;
}

std::size_t longest_at(const std::vector<std::string>& patterns, std::string_view text, std::size_t at) {
  std::size_t best = patterns.size();  // of equal ones the first
  for (std::size_t n = 0; n < patterns.size(); ++n)
    if (text.substr(at).starts_with(patterns[n]) && (best == patterns.size() || patterns[n].size() > patterns[best].size()))
      best = n;
  return best;
}

}  // namespace

TEST_CASE("the longest pattern at every place, in ranges of any size", "[tokenizer]") {
  Random random{7};
  for (int round = 0; round < 300; ++round) {
    const std::size_t letters = 1 + random.below(3);
    std::vector<std::string> patterns;
    for (std::size_t n = random.below(12); n > 0; --n) {
      std::string word = random_word(random, letters, 1 + random.below(9));
      if (!patterns.empty() && random.below(3) == 0) word += patterns[random.below(patterns.size())];
      patterns.push_back(word);
    }
    LongestMatch match;
    REQUIRE(match.build({patterns.begin(), patterns.end()}));
    CHECK(match.empty() == patterns.empty());
    if (patterns.empty()) continue;
    const std::string text = random_word(random, letters, random.below(100));
    std::vector<std::size_t> found(text.size(), patterns.size());
    for (std::size_t from = 0, to = 0; from < text.size(); from = to) {
      to = std::min(text.size(), from + 1 + random.below(60));
      std::vector<LongestMatch::Hit> hits;
      match.find(text, from, to, hits);
      for (std::size_t i = 0; i < hits.size(); ++i) {
        REQUIRE(from + hits[i].at < to);
        CHECK((i == 0 || hits[i].at < hits[i - 1].at));  // the last place first
        found[from + hits[i].at] = hits[i].pattern;
      }
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
      CAPTURE(text, at);
      CHECK(found[at] == longest_at(patterns, text, at));
    }
  }
}

TEST_CASE("patterns of every byte, and more of them than fit", "[tokenizer]") {
  std::vector<std::string> bytes;
  for (int b = 255; b >= 0; --b) bytes.push_back(std::string(1, static_cast<char>(b)));
  LongestMatch all;
  REQUIRE(all.build({bytes.begin(), bytes.end()}));
  std::vector<LongestMatch::Hit> hits;
  all.find(bytes[7] + bytes[200], 0, 2, hits);
  REQUIRE(hits.size() == 2);
  CHECK((hits[0].pattern == 200 && hits[1].pattern == 7));

  Random random{9};
  std::vector<std::string> many;  // no two share an end
  for (std::size_t n = 0; n < 5000; ++n) many.push_back(random_word(random, 26, 1000));
  LongestMatch refused;
  CHECK_FALSE(refused.build({many.begin(), many.end()}));
  std::vector<std::string> alike;  // these share all but their first byte
  for (std::size_t n = 0; n < 5000; ++n) alike.push_back(random_word(random, 26, 10) + many[0]);
  CHECK(refused.build({alike.begin(), alike.end()}));
}
