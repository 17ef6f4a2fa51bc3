// SPDX-License-Identifier: Apache-2.0
// The stop-watch: medians, shares, and that longer work takes longer.
#include <molmo/bench/micro.hpp>

#include <support/catch.hpp>

#include <string>

using namespace molmo;

TEST_CASE("median_of") {
  CHECK(median_of({}) == 0);
  CHECK(median_of({3}) == 3);
  CHECK(median_of({3, 1, 2}) == 2);
  CHECK(median_of({4, 1, 3, 2}) == 2.5);
}

TEST_CASE("time_calls: the statistics of its batches") {
  int calls = 0;
  TimingOptions options{.warm_up_seconds = 0, .batch_seconds = 1e-5, .batches = 9};
  const Timing t = time_calls(
      [&] {
        ++calls;
        keep(calls);
      },
      options);
  CHECK(t.batches == 9);
  CHECK(t.calls >= 1);
  CHECK(calls >= 9 * t.calls);
  CHECK(t.min > 0);
  CHECK(t.min <= t.median);
  CHECK(t.median <= t.max);
  CHECK(t.spread() >= 0);
}

TEST_CASE("time_in_turn: ABBA, and more work takes more time") {
  std::string order;
  TimingOptions options{.warm_up_seconds = 0, .batch_seconds = 0, .batches = 3};
  const auto spin = [](int rounds) {
    for (int i = 0; i < rounds; ++i) keep(i);
  };
  const auto [a, b] = time_in_turn(
      options,
      [&] {
        order += 'a';
        spin(100);
      },
      [&] {
        order += 'b';
        spin(100000);
      });
  CHECK(order == "ababbaab");  // once each to find the number of calls, then in turn
  CHECK(a.calls == 1);
  CHECK(a.min < b.min);
}

TEST_CASE("time_in_turn: any number of callables") {
  std::vector<int> counts(3);
  const auto one = [&] { ++counts[0]; };
  auto two = [&]() mutable { ++counts[1]; };
  const auto three = [&] { ++counts[2]; };
  const Timed timed[] = {Timed(one), Timed(two), Timed(three)};
  const auto times = time_in_turn(TimingOptions{.warm_up_seconds = 0, .batch_seconds = 0, .batches = 5}, timed);
  REQUIRE(times.size() == 3);
  CHECK(counts == std::vector<int>{6, 6, 6});
}

TEST_CASE("share_of_limit: the nearer of two limits") {
  struct {
    double flops, bytes;
  } const cost{100, 40};
  const Share by_flops = share_of_limit(cost, 2.0, {100, 100});
  CHECK(by_flops.of_limit == 0.5);
  CHECK(by_flops.by_arithmetic);
  const Share by_bytes = share_of_limit(cost, 2.0, {1000, 25});
  CHECK(by_bytes.of_limit == 0.8);
  CHECK_FALSE(by_bytes.by_arithmetic);
  CHECK(share_of_limit(cost, 0.0, {1, 1}).of_limit == 0);
}
