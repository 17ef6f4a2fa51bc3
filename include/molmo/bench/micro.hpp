// SPDX-License-Identifier: Apache-2.0
// Timing of small pieces of code on a machine that does other things too.
//
//   Timing t = time_calls([&] { on(cpu, y) = x + silu(gate) * up; keep(y.data()); });
//   auto [a, b] = time_in_turn(options, one, other);      A B B A A B B A ..., so that a slow minute hits both
// A batch repeats the call until it lasts half a millisecond. That is long beside the clock's resolution and short beside
// the time slices of other programs: on a busy core most batches run undisturbed, and the median of many is the figure;
// the fastest and the slowest say how noisy it was. share_of_limit() puts it beside the limits of machine.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

namespace molmo::inline v0 {

/// Seconds of one call.
struct Timing {
  double median = 0;
  double min = 0, max = 0;  ///< of the batches
  int batches = 0;
  long calls = 0;  ///< in one batch

  /// (max - min) / median: 0.05 is a quiet machine, 0.5 a busy one.
  [[nodiscard]] double spread() const { return median > 0 ? (max - min) / median : 0; }
};

struct TimingOptions {
  double warm_up_seconds = 0.01;  ///< caches, page tables and clock rates settle
  double batch_seconds = 0.0005;
  int batches = 101;
};

/// Makes the compiler believe that the object, or what a pointer points to, is read and changed here.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// Seconds since some fixed moment.
[[nodiscard]] inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The middle one (the mean of the two middle ones); 0 where there is none.
[[nodiscard]] inline double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const std::size_t half = values.size() / 2;
  std::sort(values.begin(), values.end());
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

namespace detail {

template <class Body>
double seconds_of(Body& body, long calls) {
  const double start = seconds_now();
  for (long i = 0; i < calls; ++i) body();
  return seconds_now() - start;
}

// Warms up, and finds how many calls make a batch.
template <class Body>
long calls_per_batch(Body& body, const TimingOptions& options) {
  const double start = seconds_now();
  long calls = 1;
  double last = seconds_of(body, calls);
  while (last < options.batch_seconds && calls < (1L << 40)) {
    const double wanted = last > 0 ? 1.2 * options.batch_seconds / last * static_cast<double>(calls) : 0;
    calls = std::clamp(static_cast<long>(wanted) + 1, calls + 1, calls * 16);
    last = seconds_of(body, calls);
  }
  while (seconds_now() - start < options.warm_up_seconds) last = seconds_of(body, calls);
  return calls;
}

inline Timing summary(std::vector<double> batches, long calls) {
  Timing t;
  t.batches = static_cast<int>(batches.size());
  t.calls = calls;
  if (batches.empty()) return t;
  t.min = *std::min_element(batches.begin(), batches.end());
  t.max = *std::max_element(batches.begin(), batches.end());
  t.median = median_of(std::move(batches));
  return t;
}

}  // namespace detail

/// Times several callables in turn: first to last, then last to first, and so on, until each has `batches` batches.
template <class... Bodies>
[[nodiscard]] std::array<Timing, sizeof...(Bodies)> time_in_turn(const TimingOptions& options, Bodies&&... bodies) {
  constexpr std::size_t n = sizeof...(Bodies);
  std::array<long, n> calls{detail::calls_per_batch(bodies, options)...};
  std::array<std::vector<double>, n> seconds;
  const auto run = [&](std::size_t which) {
    std::size_t at = 0;
    const auto one = [&](auto& body) {
      if (at == which) seconds[at].push_back(detail::seconds_of(body, calls[at]) / static_cast<double>(calls[at]));
      ++at;
    };
    (one(bodies), ...);
  };
  for (int batch = 0; batch < options.batches; ++batch)
    for (std::size_t i = 0; i < n; ++i) run(batch % 2 == 0 ? i : n - 1 - i);
  std::array<Timing, n> out;
  for (std::size_t i = 0; i < n; ++i) out[i] = detail::summary(std::move(seconds[i]), calls[i]);
  return out;
}

/// Times one callable.
template <class Body>
[[nodiscard]] Timing time_calls(Body&& body, const TimingOptions& options = {}) {
  return time_in_turn(options, body)[0];
}

/// What the machine can do, per second.
struct Limits {
  double flops = 0;  ///< multiply-adds count as two operations
  double bytes = 0;  ///< from where the operands lie
};

/// How close to the limit a call came.
struct Share {
  double of_limit = 0;         ///< the least possible time / the measured time
  bool by_arithmetic = false;  ///< which of the two limits is the nearer
};

/// The share of the limit that work of `cost` (anything with flops and bytes, as the cost functions of ops return) took
/// in `seconds`. The least possible time is the larger of flops / limit and bytes / limit.
template <class C>
[[nodiscard]] Share share_of_limit(const C& cost, double seconds, const Limits& limits) {
  const double arithmetic = limits.flops > 0 ? cost.flops / limits.flops : 0;
  const double memory = limits.bytes > 0 ? cost.bytes / limits.bytes : 0;
  return {seconds > 0 ? std::max(arithmetic, memory) / seconds : 0, arithmetic > memory};
}

}  // namespace molmo::inline v0
