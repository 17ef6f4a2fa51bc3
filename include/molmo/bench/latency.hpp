// SPDX-License-Identifier: Apache-2.0
// How long single steps take: quantiles and a histogram, because a median hides the stalls that a user sees.
//
//   auto seconds = time_steps(1000, 10, [&] { step(); });
//   Latency l = latency_of(seconds);              p50, p90, p99, the largest, p99 / p50
// Quantiles are the nearest rank (no interpolation: a stall that happened once in a hundred steps is the 99th of 100).
#pragma once

#include <molmo/bench/micro.hpp>

#include <cmath>
#include <span>
#include <vector>

namespace molmo::inline v0 {

/// The smallest value that a share `q` (0 ... 1) of the sorted values does not exceed; 0 where there is none.
[[nodiscard]] inline double quantile_of_sorted(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size()));
  return sorted[(std::max)(static_cast<std::size_t>(rank), std::size_t{1}) - 1];
}

/// Seconds of a step.
struct Latency {
  double min = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
  std::size_t steps = 0;

  /// p99 / p50: 1.1 is a quiet machine, 3 is one where every hundredth token stutters.
  [[nodiscard]] double tail() const { return p50 > 0 ? p99 / p50 : 0; }
};

[[nodiscard]] inline Latency latency_of(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  return {seconds.front(),
          quantile_of_sorted(seconds, 0.5),
          quantile_of_sorted(seconds, 0.9),
          quantile_of_sorted(seconds, 0.99),
          seconds.back(),
          seconds.size()};
}

/// How many steps took [edge[i], edge[i + 1]): bins of equal ratio, as latencies are compared by ratios.
struct LatencyHistogram {
  double first = 0, ratio = 1;  ///< edge[i] = first * ratio^i, seconds
  std::vector<std::size_t> counts;

  [[nodiscard]] double edge(std::size_t i) const { return first * std::pow(ratio, static_cast<double>(i)); }
};

/// From the fastest step to the slowest, in bins of a factor `ratio` (above 1), the last of which takes the rest when
/// there would be more than `most` (at least 1).
[[nodiscard]] inline LatencyHistogram histogram_of(std::span<const double> seconds, double ratio = 1.1,
                                                   std::size_t most = 24) {
  LatencyHistogram h;
  if (seconds.empty()) return h;
  h.first = (std::max)(*std::min_element(seconds.begin(), seconds.end()), 1e-12);
  h.ratio = ratio;
  for (const double s : seconds) {
    const double bin = s > h.first ? std::floor(std::log(s / h.first) / std::log(ratio)) : 0;
    const auto i = static_cast<std::size_t>((std::min)(bin, static_cast<double>(most - 1)));
    if (i >= h.counts.size()) h.counts.resize(i + 1);
    ++h.counts[i];
  }
  return h;
}

/// The seconds of each of `steps` calls, after `warm_up` that do not count.
template <class Body>
[[nodiscard]] std::vector<double> time_steps(int steps, int warm_up, Body&& body) {
  for (int i = 0; i < warm_up; ++i) body();
  std::vector<double> seconds;
  seconds.reserve(static_cast<std::size_t>((std::max)(steps, 0)));
  for (int i = 0; i < steps; ++i) {
    const double start = seconds_now();
    body();
    seconds.push_back(seconds_now() - start);
  }
  return seconds;
}

}  // namespace molmo::inline v0
