// SPDX-License-Identifier: Apache-2.0
// The hash table: what it answers, that chosen keys cannot slow it down, and that it gives up in bounded work.
#include "support/catch.hpp"

#include <molmo/io/flat_hash.hpp>
#include <molmo/io/json.hpp>
#include <molmo/io/tokenizer/merges.hpp>

#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace molmo;

namespace {

struct Number {
  std::uint64_t key = 0;
  int value = 0;
  [[nodiscard]] bool empty() const { return key == 0; }
  void remember(std::uint64_t) {}
};
constexpr auto by_seed = [](const Number& n, const HashSeed& seed) { return seed.of(n.key); };
constexpr auto same_key = [](const Number& a, const Number& b) { return a.key == b.key; };

std::uint64_t random(std::uint64_t& state) {  // SplitMix64
  std::uint64_t x = (state += 0x9E3779B97F4A7C15u);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// The functions that hashed before, which had no secret, and their inverses.

std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t x = odd;
  for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
  return x;
}
std::uint64_t unshift(std::uint64_t y, int by) {  // x with x ^ x >> by == y
  std::uint64_t x = y;
  for (int i = by; i < 64; i += by) x = y ^ (x >> by);
  return x;
}
std::uint64_t old_json_mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
std::uint64_t old_json_unmix(std::uint64_t y) {
  std::uint64_t x = unshift(y, 31) * inverse(0x94d049bb133111ebu);
  x = unshift(x, 27) * inverse(0xbf58476d1ce4e5b9u);
  return unshift(x, 30);
}
std::uint64_t old_mix(std::uint64_t x) {
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  return x ^ (x >> 32);
}
std::uint64_t old_unmix(std::uint64_t y) {
  std::uint64_t x = unshift(y, 32) * inverse(0xD6E8FEB86659FD93u);
  x = unshift(x, 32) * inverse(0xD6E8FEB86659FD93u);
  return unshift(x, 32);
}
std::uint64_t old_hash_of_8(std::uint64_t word) {
  std::uint64_t h = ((0x9E3779B97F4A7C15u * 9) ^ word) * 0xA0761D6478BD642Fu;
  return old_mix(h ^ (h >> 29));
}
std::uint64_t word_of_old_hash(std::uint64_t hash) {
  return unshift(old_unmix(hash), 29) * inverse(0xA0761D6478BD642Fu) ^ (0x9E3779B97F4A7C15u * 9);
}
std::string bytes_of(std::uint64_t word) {
  std::string s(8, '\0');
  std::memcpy(s.data(), &word, 8);
  return s;
}

constexpr std::uint64_t low_24 = (1u << 24) - 1;
constexpr std::size_t probes_of_a_fair_table = 100;  // 2^12 keys: some 40 is usual, 100 a chance of 10^-4 at most

}  // namespace

TEST_CASE("a table holds what was put in, under any seed", "[hash]") {
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::uint64_t state = round;
    FlatHash<Number> table;
    if (round % 2) table.reserve(100);
    std::map<std::uint64_t, int> expected;
    for (int i = 0; i < 5000; ++i) {
      const std::uint64_t key = 1 + random(state) % 3000;
      const auto at = table.insert({key, i}, by_seed, same_key);
      REQUIRE(at.slot != nullptr);
      CHECK(at.fresh == expected.emplace(key, i).second);
      CHECK(at.slot->value == expected[key]);
    }
    CHECK(table.size() == expected.size());
    for (std::uint64_t key = 1; key <= 3100; ++key) {
      const Number* n = table.find(table.seed().of(key), [&](const Number& there) { return there.key == key; });
      const auto e = expected.find(key);
      REQUIRE((n != nullptr) == (e != expected.end()));
      if (n) CHECK(n->value == e->second);
    }
    table.clear();
    CHECK(table.size() == 0);
    CHECK(table.find(table.seed().of(1), [](const Number&) { return true; }) == nullptr);
    CHECK(table.insert({1, 2}, by_seed, same_key).fresh);
  }
}

TEST_CASE("seeds differ, and a seed tells all short texts apart", "[hash]") {
  const HashSeed a = HashSeed::fresh(), b = HashSeed::fresh(), c = a.next();
  CHECK(a.of("text") != b.of("text"));
  CHECK(a.of("text") != c.of("text"));
  CHECK(a.of(7) != b.of(7));
  std::set<std::uint64_t> seen;
  std::size_t texts = 0;
  for (std::size_t n = 0; n <= 40; ++n) {
    std::string s(n, '\0');
    ++texts, seen.insert(a.polynomial(s));
    for (std::size_t i = 0; i < n; ++i)
      for (const char change : {'\x01', '\x7f', '\xff'}) {
        s[i] = change;
        ++texts, seen.insert(a.polynomial(s));
        CHECK(a.of(std::string_view(" " + s + "x").substr(1, n)) == a.of(s));  // wherever it lies
        s[i] = '\0';
      }
  }
  CHECK(seen.size() == texts);
}

TEST_CASE("a table that cannot be served tries some seeds and refuses", "[hash]") {
  FlatHash<Number> table;
  std::uint64_t hashed = 0;
  const auto all_alike = [&](const Number&, const HashSeed&) { return ++hashed, std::uint64_t{5}; };
  std::uint64_t key = 1;
  while (table.insert({key, 0}, all_alike, same_key).slot != nullptr) REQUIRE(++key < 10'000);
  CHECK(key == FlatHash<Number>::longest_probe + 1);
  CHECK(hashed < 16 * key);
}

TEST_CASE("a seed under which keys collide is given up", "[hash]") {
  FlatHash<Number> table;
  table.reserve(3000);
  const std::uint64_t bad = table.seed().of(1);
  const auto first_seed_is_bad = [&](const Number& n, const HashSeed& seed) {
    return seed.of(1) == bad ? std::uint64_t{5} : seed.of(n.key);
  };
  for (std::uint64_t key = 1; key <= 3000; ++key) REQUIRE(table.insert({key, 0}, first_seed_is_bad, same_key).fresh);
  CHECK(table.builds() == 2);
  for (std::uint64_t key = 1; key <= 3000; ++key)
    CHECK(table.find(table.seed().of(key), [&](const Number& n) { return n.key == key; }) != nullptr);
}

TEST_CASE("JSON keys that had one home in a table without a secret", "[hash][hostile]") {
  std::vector<std::string> keys;
  std::string object = "{";
  for (std::uint64_t n = 0; keys.size() < 4096; ++n) {
    const std::uint64_t word = old_json_unmix(n << 24 | 0x123456) ^ 0x9e3779b97f4a7c15u;
    const std::string key = bytes_of(word);
    bool plain = true;
    for (const char c : key) plain = plain && c >= ' ' && c < 0x7f && c != '"' && c != '\\';
    if (!plain) continue;
    REQUIRE((old_json_mix(0x9e3779b97f4a7c15u ^ word) & low_24) == 0x123456);
    keys.push_back(key);
    object += (keys.size() > 1 ? ",\"" : "\"") + key + "\":0";
  }
  const HashSeed seed = HashSeed::fresh();
  json::detail::KeySet set({seed, seed.next()});
  using enum json::detail::KeySet::Inserted;
  for (const std::string& key : keys) CHECK(set.insert(key) == yes);
  for (const std::string& key : keys) CHECK(set.insert(key) == was_there);
  CHECK(set.longest() < probes_of_a_fair_table);
  CHECK(json::parse(object + "}"));
  CHECK_FALSE(json::parse(object + ",\"" + keys[1234] + "\":0}"));
}

TEST_CASE("tokens and merges that had one home in a table without a secret", "[hash][hostile]") {
  tokenizer::Vocabulary vocabulary;
  for (std::uint64_t n = 0; n < 4096; ++n) {
    const std::uint64_t word = word_of_old_hash(n << 24 | 0x654321);
    REQUIRE((old_hash_of_8(word) & low_24) == 0x654321);
    REQUIRE(vocabulary.add(bytes_of(word), n));
  }
  const status built = vocabulary.finish();
  REQUIRE(built);
  CHECK(vocabulary.longest_probe() < probes_of_a_fair_table);
  for (std::uint64_t n = 0; n < 4096; ++n)
    CHECK(vocabulary.find(bytes_of(word_of_old_hash(n << 24 | 0x654321))) == static_cast<tokenizer::Id>(n));

  tokenizer::Merges merges;
  tokenizer::Id product = 0;
  for (std::uint64_t n = 0; product < 4096; ++n) {
    const std::uint64_t key = old_unmix(n << 24 | 0x654321);
    if (key >> 63 || (key >> 31 & 1)) continue;  // ids are below 2^31
    REQUIRE((old_mix(key) & low_24) == 0x654321);
    REQUIRE(merges.add(static_cast<tokenizer::Id>(key >> 32), static_cast<tokenizer::Id>(key & 0x7FFFFFFF), product++));
  }
  CHECK(merges.longest_probe() < probes_of_a_fair_table);
}
