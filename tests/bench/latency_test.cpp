// SPDX-License-Identifier: Apache-2.0
// Quantiles and histograms of known samples.
#include <molmo/bench/latency.hpp>

#include <support/catch.hpp>

#include <numeric>

using namespace molmo;

namespace {

std::vector<double> one_to(int n) {
  std::vector<double> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 1.0);
  return v;
}

}  // namespace

TEST_CASE("quantile_of_sorted: nearest rank") {
  const std::vector<double> hundred = one_to(100);
  CHECK(quantile_of_sorted(hundred, 0) == 1);
  CHECK(quantile_of_sorted(hundred, 0.5) == 50);
  CHECK(quantile_of_sorted(hundred, 0.99) == 99);
  CHECK(quantile_of_sorted(hundred, 1) == 100);
  CHECK(quantile_of_sorted(hundred, 7) == 100);
  CHECK(quantile_of_sorted(one_to(3), 0.5) == 2);
  CHECK(quantile_of_sorted({}, 0.5) == 0);
}

TEST_CASE("latency_of: any order, the tail is p99 / p50") {
  std::vector<double> v = one_to(200);
  std::swap(v[0], v[199]);
  const Latency l = latency_of(v);
  CHECK(l.min == 1);
  CHECK(l.p50 == 100);
  CHECK(l.p90 == 180);
  CHECK(l.p99 == 198);
  CHECK(l.max == 200);
  CHECK(l.steps == 200);
  CHECK(l.tail() == 1.98);
  CHECK(latency_of({}).tail() == 0);
}

TEST_CASE("histogram_of: every step in one bin, the slowest in the last") {
  const std::vector<double> v{1, 1, 1.5, 2.5, 5, 1000};
  const LatencyHistogram h = histogram_of(v, 2, 4);
  CHECK(h.counts == std::vector<std::size_t>{3, 1, 1, 1});
  CHECK(h.edge(0) == 1);
  CHECK(h.edge(2) == 4);
  CHECK(histogram_of({}).counts.empty());
  const std::vector<double> zeros{0, 0};
  CHECK(histogram_of(zeros).counts == std::vector<std::size_t>{2});
}

TEST_CASE("time_steps: one number for each call that counts") {
  int calls = 0;
  const std::vector<double> seconds = time_steps(5, 2, [&] { ++calls; });
  CHECK(calls == 7);
  REQUIRE(seconds.size() == 5);
  for (const double s : seconds) CHECK(s >= 0);
}
