// SPDX-License-Identifier: Apache-2.0
// Timing of small pieces of code on a machine that does other things too.
//
//   Timing t = time_calls([&] { on(cpu, y) = x + silu(gate) * up; keep(y.data()); });
//   auto [a, b] = time_in_turn(options, one, other);      A B B A A B B A ..., so that a slow minute hits both
// A batch repeats the call until it lasts half a millisecond. That is long compared with the clock's resolution and
// short compared with the time slices of other programs: on a busy core most batches run undisturbed. The median of
// many batches is the result; the fastest and the slowest say how noisy it was. share_of_limit() compares it with the
// limits of machine.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
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

/// One of several things to time in turn: borrows a callable.
class Timed {
 public:
  template <class Body>
  explicit Timed(Body& body)
      : body_(const_cast<void*>(static_cast<const void*>(std::addressof(body)))),
        seconds_([](void* b, long calls) { return detail::seconds_of(*static_cast<Body*>(b), calls); }),
        calibrate_([](void* b, const TimingOptions& o) { return detail::calls_per_batch(*static_cast<Body*>(b), o); }) {
  }
  [[nodiscard]] double seconds(long calls) const { return seconds_(body_, calls); }
  [[nodiscard]] long calibrate(const TimingOptions& options) const { return calibrate_(body_, options); }

 private:
  void* body_;
  double (*seconds_)(void*, long);
  long (*calibrate_)(void*, const TimingOptions&);
};

/// Times callables in turn: first to last, then last to first, and so on, until each has `batches` batches.
[[nodiscard]] inline std::vector<Timing> time_in_turn(const TimingOptions& options, std::span<const Timed> bodies) {
  const std::size_t n = bodies.size();
  std::vector<long> calls;
  for (const Timed& body : bodies) calls.push_back(body.calibrate(options));
  std::vector<std::vector<double>> seconds(n);
  for (int batch = 0; batch < options.batches; ++batch)
    for (std::size_t turn = 0; turn < n; ++turn) {
      const std::size_t i = batch % 2 == 0 ? turn : n - 1 - turn;
      seconds[i].push_back(bodies[i].seconds(calls[i]) / static_cast<double>(calls[i]));
    }
  std::vector<Timing> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(detail::summary(std::move(seconds[i]), calls[i]));
  return out;
}

/// The same for a fixed number of callables: auto [a, b] = time_in_turn(options, one, other).
template <class... Bodies>
requires(sizeof...(Bodies) > 0 && (std::invocable<Bodies&> && ...))
    [[nodiscard]] std::array<Timing, sizeof...(Bodies)> time_in_turn(const TimingOptions& options, Bodies&&... bodies) {
  const Timed timed[] = {Timed(bodies)...};
  const std::vector<Timing> times = time_in_turn(options, std::span<const Timed>(timed));
  std::array<Timing, sizeof...(Bodies)> out;
  std::copy(times.begin(), times.end(), out.begin());
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
  return {seconds > 0 ? (std::max)(arithmetic, memory) / seconds : 0, arithmetic > memory};
}

}  // namespace molmo::inline v0
