// SPDX-License-Identifier: Apache-2.0
// Sampling: filters against Hugging Face's (tests/data/golden/sampling), draws against their distribution, and what
// must never become a token.
#include <molmo/ops/sample/sample.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#if MOLMO_HAS_IO
#include <molmo/io/json_file.hpp>

#include "support/compare.hpp"
#include "support/golden.hpp"
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

using namespace molmo;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

result<std::int32_t> draw(const std::vector<float>& logits, const SamplingOptions& o, std::uint64_t step = 0) {
  std::vector<Candidate> scratch(logits.size());
  return sample(logits.data(), static_cast<index_t>(logits.size()), o, step, scratch.data());
}

// The probabilities after the filters, by id.
std::vector<double> distribution(const std::vector<float>& logits, const SamplingOptions& o) {
  std::vector<Candidate> left(logits.size());
  const index_t count = filter_candidates(logits.data(), static_cast<index_t>(logits.size()), o, left.data());
  std::vector<double> out(logits.size(), 0.0);
  for (index_t i = 0; i < count; ++i) out[static_cast<std::size_t>(left[static_cast<std::size_t>(i)].id)] = left[static_cast<std::size_t>(i)].probability;
  return out;
}

}  // namespace

#if MOLMO_HAS_IO
TEST_CASE("filters: the probabilities of Hugging Face's warpers", "[golden]") {
  const molmo_test::Golden g("sampling");
  const auto file = read_json(molmo_test::golden_folder("sampling/sampling.json"));
  REQUIRE(file);
  const json::Value& cases = *file->find("cases");
  REQUIRE(cases.size() > 100);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const json::Value& c = cases[i];
    const std::string name(*c.string("name"));
    const SamplingOptions o{.temperature = *c.number("temperature", 0, 1e9),
                            .top_k = static_cast<index_t>(*c.integer("top_k", 0, 1 << 30)),
                            .top_p = *c.number("top_p", 0, 1)};
    CAPTURE(name, o.temperature, o.top_k, o.top_p);
    const auto logits = g.floats(*c.string("logits"));
    auto got = distribution(logits, o);
    const auto stored = g.floats(name);
    std::vector<double> want(stored.begin(), stored.end());
    const auto kept_of = [](const std::vector<double>& p) { return std::count_if(p.begin(), p.end(), [](double x) { return x > 0; }); };
    const auto wanted = kept_of(want), kept = kept_of(got);
    const json::Value* margin = c.present("threshold_margin");
    if (margin != nullptr && *c.number("threshold_margin", -1, 1) < 1e-6) {
      // A cumulative probability lies on the threshold: torch's f32 rounding decides about one token, ours about it in
      // f64.
      REQUIRE(std::abs(kept - wanted) <= 1);
      if (kept != wanted) continue;
    }
    REQUIRE(kept == wanted);
    if (*c.boolean("cuts_tie")) {  // which of equal tokens survive is unspecified in torch
      std::sort(got.begin(), got.end());
      std::sort(want.begin(), want.end());
    }
    // torch's softmax is f32: a few roundings of 6e-8, relative to the probability.
    REQUIRE_CLOSE(got, want, 1e-7, 2e-6);
  }
}
#endif

#if MOLMO_HAS_IO
TEST_CASE("penalties: Hugging Face's repetition penalty and min-p, greedy and sampled", "[golden]") {
  const molmo_test::Golden g("penalties");
  const auto file = read_json(molmo_test::golden_folder("penalties/penalties.json"));
  REQUIRE(file);
  const json::Value& cases = *file->find("cases");
  REQUIRE(cases.size() > 40);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const json::Value& c = cases[i];
    const std::string name(*c.string("name"));
    SamplingOptions o{.temperature = *c.number("temperature", 0, 1e9),
                      .top_k = static_cast<index_t>(*c.integer("top_k", 0, 1 << 30)),
                      .top_p = *c.number("top_p", 0, 1),
                      .min_p = *c.number("min_p", 0, 1),
                      .repetition_penalty = *c.number("repetition_penalty", 0, 1e9)};
    CAPTURE(name, o.repetition_penalty, o.temperature, o.top_k, o.top_p, o.min_p);
    const auto logits = g.floats(*c.string("logits"));
    const auto ids = g.ids(*c.string("ids"));
    const auto n = static_cast<index_t>(logits.size());
    // What sample() does, its draw left out: the frequencies of many draws are compared below.
    std::vector<Candidate> left(logits.size());
    const index_t best = detail::penalise(logits.data(), n, o.repetition_penalty, ids, left.data());
    std::vector<float> penalised;
    for (const Candidate& x : left) penalised.push_back(x.logit);
    CHECK(best == *c.integer("greedy", 0, 1 << 20));
    REQUIRE_CLOSE(distribution(penalised, o), [&] {
      const auto stored = g.floats(name);
      return std::vector<double>(stored.begin(), stored.end());
    }(), 1e-7, 2e-6);
    o.seed = i;
    for (std::uint64_t step = 0; step < 50; ++step) {
      SamplingOptions without = o;
      without.repetition_penalty = 1;
      const auto id = sample(logits.data(), n, o, step, left.data(), ids);
      REQUIRE(id);
      CHECK(*id == *draw(penalised, without, step));
    }
    const SamplingOptions greedy{.repetition_penalty = o.repetition_penalty};
    CHECK(*sample(logits.data(), n, greedy, 0, left.data(), ids) == best);
    CHECK(*sample(logits.data(), n, greedy, 0, left.data()) == argmax(logits.data(), n));  // nothing was seen
  }
}
#endif

TEST_CASE("greedy: the first of the largest, and NaN is never a token") {
  CHECK(*draw({1, 5, 5, 2}, {}) == 1);
  CHECK(*draw({-inf, -inf}, {}) == 0);
  CHECK(*draw({1, inf, inf}, {}) == 1);
  CHECK(*draw({7}, {}) == 0);
  for (const SamplingOptions& o : {SamplingOptions{}, SamplingOptions{.temperature = 1}, SamplingOptions{.temperature = 1, .top_k = 1},
                                   SamplingOptions{.temperature = 2, .top_p = 0.5}})
    for (std::size_t at = 0; at < 3; ++at) {
      std::vector<float> logits{3, 2, 1};
      logits[at] = not_a_number;
      const auto r = draw(logits, o);
      REQUIRE(!r);
      CHECK(r.error().code == errc::invalid_logits);
    }
  CHECK(argmax(nullptr, 0) == -1);
}

TEST_CASE("sampling: infinities") {
  const SamplingOptions hot{.temperature = 1.5};
  for (std::uint64_t step = 0; step < 200; ++step) {
    CHECK(*draw({-inf, -inf, -inf}, hot, step) == 0);
    CHECK(*draw({-inf, 2, -inf}, hot, step) == 1);
    const auto id = *draw({0, inf, 5, inf}, hot, step);  // the infinities share everything
    CHECK((id == 1 || id == 3));
    CHECK(*draw({-inf, 2, -inf, 1}, {.temperature = 1, .top_p = 0}, step) == 1);
  }
}

TEST_CASE("sampling: infinities share everything at any temperature and with any filter") {
  const std::vector<float> logits{0, inf, 5, inf, -3};
  for (const double t : {1e-300, 1e-45, 1e-40, 1.0, 1e30, 3.4e38})
    for (const SamplingOptions& filter : {SamplingOptions{}, {.top_k = 1}, {.top_k = 3}, {.top_p = 0.9}, {.min_p = 0.5}}) {
      SamplingOptions o = filter;
      o.temperature = t;
      int first = 0, second = 0;
      for (std::uint64_t step = 0; step < 200; ++step) {
        const auto id = draw(logits, o, step);
        REQUIRE(id);
        first += *id == 1, second += *id == 3;
      }
      CAPTURE(t, o.top_k, o.top_p, o.min_p);
      CHECK(first + second == 200);
      CHECK((first > 60 && second > 60));
    }
  // A penalty may make one.
  std::vector<Candidate> scratch(3);
  const float plain[] = {3e38f, 1, 2};
  const std::int32_t seen[] = {0};
  for (const double t : {0.0, 1.0, 1e38})
    CHECK(*sample(plain, 3, {.temperature = t, .repetition_penalty = 1e-9}, 1, scratch.data(), seen) == 0);
}

TEST_CASE("sampling: a temperature too small for f32 is greedy, whatever the sign of the logits") {
  for (const double t : {1e-300, 1e-45, 1e-40, 1e-38, 1e-30})
    for (const auto& logits : {std::vector<float>{9, 8, 7, -3}, std::vector<float>{-9, -8, -3, -7}, std::vector<float>{-1, 0, -2, -3}})
      for (std::uint64_t step = 0; step < 20; ++step) {
        CAPTURE(t, step);
        const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
        CHECK(*draw(logits, {.temperature = t}, step) == best);
        CHECK(*draw(logits, {.temperature = t, .top_k = 3, .top_p = 0.9}, step) == best);
      }
}

TEST_CASE("sampling: options out of range are refused by name") {
  const auto refused = [](SamplingOptions o, const char* name) {
    const status s = check(o);
    REQUIRE(!s);
    CHECK(s.error().code == errc::invalid_argument);
    CHECK(s.error().message.find(name) == 0);
    const auto r = draw({1, 2, 3}, o);  // and no token is drawn with them
    REQUIRE(!r);
    CHECK(r.error().code == errc::invalid_argument);
  };
  const double bad = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  for (const double t : {-1.0, -1e-9, bad, infinite, 3.5e38, 1.7e308}) refused({.temperature = t}, "temperature");
  refused({.temperature = 1, .top_k = -1}, "top_k");
  for (const double p : {-0.1, 1.1, bad, infinite}) refused({.temperature = 1, .top_p = p}, "top_p");
  for (const double p : {-0.1, 1.1, bad, infinite}) refused({.min_p = p}, "min_p");
  for (const double p : {0.0, -1.0, 1e-10, 1e10, bad, infinite}) refused({.repetition_penalty = p}, "repetition_penalty");
  CHECK(check({.temperature = 3.4e38, .min_p = 1, .repetition_penalty = 1e-9}));
  CHECK(check({}));
  CHECK(check({.temperature = 0.7, .top_k = 50, .top_p = 0.9}));
}

TEST_CASE("sampling: draws have the distribution (chi-square), and the same seed the same draws") {
  molmo_test::Random random(5);
  const std::vector<float> logits = random.numbers(40, 3);
  const SamplingOptions many[] = {{.temperature = 1, .seed = 1}, {.temperature = 0.7, .top_k = 12, .seed = 2}, {.temperature = 1.3, .top_p = 0.8, .seed = 3}};
  for (const SamplingOptions& o : many) {
    const auto p = distribution(logits, o);
    std::vector<int> seen(p.size(), 0);
    constexpr int draws = 20000;
    for (int i = 0; i < draws; ++i) ++seen[static_cast<std::size_t>(*draw(logits, o, static_cast<std::uint64_t>(i)))];
    double chi = 0, freedom = -1;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] == 0) CHECK(seen[i] == 0);
      if (p[i] * draws < 5) continue;  // too rare for the statistic
      chi += (seen[i] - p[i] * draws) * (seen[i] - p[i] * draws) / (p[i] * draws);
      freedom += 1;
    }
    // Mean `freedom`, variance twice that; the seeds are fixed, so this cannot fail by chance tomorrow.
    CHECK(freedom >= 4);
    CHECK(chi < freedom + 4 * std::sqrt(2 * freedom));
  }
  const SamplingOptions o{.temperature = 1, .seed = 9}, other{.temperature = 1, .seed = 10};
  int equal = 0;
  for (std::uint64_t step = 0; step < 100; ++step) {
    CHECK(*draw(logits, o, step) == *draw(logits, o, step));
    equal += *draw(logits, o, step) == *draw(logits, other, step);
  }
  CHECK(equal < 60);
}

TEST_CASE("filters: against a plain calculation on random logits with many ties") {
  molmo_test::Random random(11);
  for (int round = 0; round < 300; ++round) {
    const index_t n = random.between(1, 60);
    std::vector<float> logits;
    for (index_t i = 0; i < n; ++i) logits.push_back(static_cast<float>(random.between(-6, 6)) * 0.5f);
    const SamplingOptions o{.temperature = 0.25 * static_cast<double>(random.between(1, 8)),
                            .top_k = random.between(0, n + 2),
                            .top_p = random.between(0, 3) == 0 ? 1.0 : 0.1 * static_cast<double>(random.between(0, 10)) + 0.013};
    if (!check(o)) continue;
    // Sort; keep what is at least the k-th; then the shortest beginning whose probability reaches p.
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t i = 0; i < logits.size(); ++i) order.emplace_back(-static_cast<double>(logits[i]) / o.temperature, i);
    std::sort(order.begin(), order.end());
    if (o.top_k > 0 && o.top_k < n) {
      const double kth = order[static_cast<std::size_t>(o.top_k - 1)].first;
      std::erase_if(order, [&](const auto& x) { return x.first > kth; });
    }
    double total = 0, above = 0;
    for (const auto& x : order) total += std::exp(-x.first);
    std::vector<double> want(logits.size(), 0.0);
    std::size_t kept = 0;
    while (kept < order.size() && (kept == 0 || o.top_p == 1 || above < o.top_p * total)) above += std::exp(-order[kept++].first);
    for (std::size_t i = 0; i < kept; ++i) want[order[i].second] = std::exp(-order[i].first) / above;
    const auto got = distribution(logits, o);
    CAPTURE(round, o.temperature, o.top_k, o.top_p);
    // logits / t is rounded to f32
    for (std::size_t i = 0; i < want.size(); ++i) REQUIRE(std::abs(got[i] - want[i]) < 1e-6);
  }
}

TEST_CASE("argmax: the first of the largest wherever it lies, NaN anywhere, zeros of both signs") {
  molmo_test::Random random(31);
  for (int i = 0; i < 400; ++i) {
    const index_t n = random.between(1, 3000);
    auto x = random.numbers(n);
    if (i % 3 == 0)
      for (float& v : x) v = std::round(v * 3);  // many ties, -0 and 0
    if (i % 5 == 0)
      for (float& v : x) v = -std::fabs(v);
    if (i % 7 == 0) x[static_cast<std::size_t>(random.between(0, n - 1))] = std::numeric_limits<float>::infinity();
    if (i % 11 == 0)
      for (float& v : x) v = -std::numeric_limits<float>::infinity();
    index_t want = 0;
    for (index_t k = 1; k < n; ++k)
      if (x[static_cast<std::size_t>(k)] > x[static_cast<std::size_t>(want)]) want = k;
    CAPTURE(i, n);
    REQUIRE(argmax(x.data(), n) == want);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    x[static_cast<std::size_t>(random.between(0, n - 1))] = i % 2 ? nan : -nan;
    REQUIRE(argmax(x.data(), n) == -1);
  }
}

#if defined(__SSE__)
TEST_CASE("argmax: subnormal logits, also where the thread flushes them to zero") {
  std::vector<float> x(1200, -1.0f);
  x[700] = 1e-40f;
  x[900] = 2e-40f;
  x[1100] = 2e-40f;
  const unsigned mode = _mm_getcsr();
  for (const unsigned flush : {0u, 0x8000u, 0x0040u, 0x8040u}) {  // none, results, operands, both
    _mm_setcsr(mode | flush);
    const index_t best = argmax(x.data(), 1200), negative = argmax(x.data(), 600);
    _mm_setcsr(mode);
    CAPTURE(flush);
    CHECK(best == 900);
    CHECK(negative == 0);
  }
}
#endif
