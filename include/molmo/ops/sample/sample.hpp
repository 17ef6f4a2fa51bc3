// SPDX-License-Identifier: Apache-2.0
// Choosing the next token from logits: greedy, or sampled after temperature, top-k, top-p and min-p, in Hugging Face's
// order and with its semantics:
//
//   penalty         repetition_penalty: logits of ids that were seen, each id once, are divided by it where they are
//                   positive and multiplied where negative; greedy too; 1: off
//   temperature t   logits / t; 0 means greedy
//   top_k           keeps the k largest, and all that tie with the k-th; 0: off
//   top_p           keeps the fewest of the most likely tokens whose probabilities reach p (one at least); 1: off
//   min_p           keeps what is at least min_p times as likely as the likeliest; 0: off
// NaN among the logits is an error, never a token. +infinity shares all the probability among the infinities; if
// nothing but -infinity is there, the first token is taken. Draws are philox_uniform(seed, stream, step): reproducible
// anywhere.
#pragma once

#include <molmo/core/memory.hpp>
#include <molmo/core/result.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/ops/sample/philox.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace molmo::inline v0 {

struct SamplingOptions {
  double temperature = 0;  ///< 0: greedy
  index_t top_k = 0;       ///< 0: off
  double top_p = 1;        ///< 1: off
  std::uint64_t seed = 0;
  double min_p = 0;               ///< 0: off
  double repetition_penalty = 1;  ///< 1: off
};

inline namespace MOLMO_ISA {

/// errc::invalid_argument names the option that is out of range.
[[nodiscard]] inline status check(const SamplingOptions& o) {
  if (!(o.temperature >= 0 && o.temperature <= static_cast<double>((std::numeric_limits<float>::max)())))
    return fail(errc::invalid_argument,
                text("temperature is ", o.temperature, "; it must be 0 (greedy) or a positive number",
                     o.temperature > 0 ? " that f32 can hold" : ""));
  if (o.top_k < 0) return fail(errc::invalid_argument, text("top_k is ", o.top_k, "; it must be 0 (off) or positive"));
  if (!(o.top_p >= 0 && o.top_p <= 1))
    return fail(errc::invalid_argument, text("top_p is ", o.top_p, "; it must lie in [0, 1], 1 meaning off"));
  if (!(o.min_p >= 0 && o.min_p <= 1))
    return fail(errc::invalid_argument, text("min_p is ", o.min_p, "; it must lie in [0, 1], 0 meaning off"));
  if (!(o.repetition_penalty >= 1e-9 && o.repetition_penalty <= 1e9))
    return fail(errc::invalid_argument, text("repetition_penalty is ", o.repetition_penalty,
                                             "; it must lie between 1e-09 and 1e+09, 1 meaning off"));
  return {};
}

}  // inline namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

/// A whole number that orders as x does, -0 (which is -1) below 0. Subnormal numbers count, whatever the thread's mode.
[[nodiscard]] inline std::int32_t ordered(float x) {
  const std::int32_t bits = std::bit_cast<std::int32_t>(x);
  return bits < 0 ? bits ^ 0x7fffffff : bits;
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// The index of the largest logit, the first on ties; -1 where any is NaN. Floats are compared as whole numbers of the
/// same order, because compilers turn that loop into SIMD (32 000 logits: 2 us; one by one 20 us).
[[nodiscard]] inline index_t argmax(const float* logits, index_t n) {
  constexpr index_t block = 512;
  constexpr std::int32_t infinity = 0x7f800000, magnitude = 0x7fffffff;
  std::int32_t largest = std::numeric_limits<std::int32_t>::lowest();
  index_t best = -1;
  for (index_t begin = 0; begin < n; begin += block) {
    const index_t end = n - begin < block ? n : begin + block;
    std::int32_t most = std::numeric_limits<std::int32_t>::lowest(), widest = 0;
    for (index_t i = begin; i < end; ++i) {
      const std::int32_t size = std::bit_cast<std::int32_t>(logits[i]) & magnitude;
      const std::int32_t ordered = detail::ordered(logits[i]);
      most = ordered > most ? ordered : most;
      widest = size > widest ? size : widest;
    }
    if (widest > infinity) return -1;
    if (most > largest) largest = most, best = begin;
  }
  if (best < 0) return -1;
  if (largest == 0) best = 0, largest = -1;                                // zeros of both signs are the same
  while (best < n - 1 && detail::ordered(logits[best]) < largest) ++best;  // from the start of its block
  return best;
}

/// A token that survived the filters, with its probability.
struct Candidate {
  float logit;
  std::int32_t id;
  double probability;
};

}  // inline namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

[[nodiscard]] inline bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// exp(logit - largest), with inf - inf = 0.
[[nodiscard]] inline double relative(float logit, float largest) {
  return logit == largest ? 1.0 : std::exp(static_cast<double>(logit) - static_cast<double>(largest));
}

/// All logits as candidates in `out`, those of the ids in `seen` after the penalty; returns the index of the first of
/// the largest.
[[nodiscard]] inline index_t penalise(const float* logits, index_t n, double penalty,
                                      std::span<const std::int32_t> seen, Candidate* out) {
  for (index_t i = 0; i < n; ++i) out[i] = {logits[i], static_cast<std::int32_t>(i), 0};
  const float p = static_cast<float>(penalty);
  for (const std::int32_t id : seen) {
    if (id < 0 || id >= n || out[id].probability != 0) continue;  // not one that has a logit, or seen before
    out[id].logit = out[id].logit < 0 ? out[id].logit * p : out[id].logit / p;
    out[id].probability = 1;
  }
  index_t best = 0;
  for (index_t i = 1; i < n; ++i) best = out[i].logit > out[best].logit ? i : best;
  return best;
}

/// Candidates of logit(0) ... logit(n - 1), which may lie in `out` already, after the temperature; returns how many.
/// `largest` is the largest: infinities share everything, whatever the temperature.
template <class Logit>
[[nodiscard]] index_t after_temperature(Logit&& logit, index_t n, float largest, double temperature, Candidate* out) {
  const float t = static_cast<float>(temperature);
  index_t count = 0;
  for (index_t i = 0; i < n && largest == std::numeric_limits<float>::infinity(); ++i)
    if (logit(i) == largest) out[count++] = {largest, static_cast<std::int32_t>(i), 0};
  if (count > 0) return count;
  for (index_t i = 0; i < n; ++i) out[count++] = {t == 1.0f ? logit(i) : logit(i) / t, static_cast<std::int32_t>(i), 0};
  return count;
}

/// top_k, top_p and min_p among `count` candidates: how many remain, with their probabilities.
[[nodiscard]] inline index_t keep_likely(Candidate* out, index_t count, const SamplingOptions& o) {
  if (o.top_k > 0 && o.top_k < count) {
    std::nth_element(out, out + (o.top_k - 1), out + count, detail::likelier);
    const float kth = out[o.top_k - 1].logit;
    count = std::partition(out, out + count, [kth](const Candidate& c) { return c.logit >= kth; }) - out;
  }
  float largest = -std::numeric_limits<float>::infinity();
  for (index_t i = 0; i < count; ++i) largest = (std::max)(largest, out[i].logit);
  double total = 0;
  for (index_t i = 0; i < count; ++i) total += out[i].probability = detail::relative(out[i].logit, largest);
  if (o.top_p < 1) {
    // What is less likely than (1 - p) / count cannot belong to the kept ones: only the rest has to be sorted.
    const double least = (1 - o.top_p) / static_cast<double>(count) * total;
    const index_t maybe =
        std::partition(out, out + count, [&](const Candidate& c) { return c.probability >= least; }) - out;
    std::sort(out, out + maybe, detail::likelier);
    double above = 0;
    index_t kept = 0;
    while (kept < maybe && (kept == 0 || above < o.top_p * total)) above += out[kept++].probability;
    count = kept;
    total = above;
  }
  if (o.min_p > 0) {  // probabilities are relative to the likeliest here
    count = std::remove_if(out, out + count, [&](const Candidate& c) { return c.probability < o.min_p; }) - out;
    total = 0;
    for (index_t i = 0; i < count; ++i) total += out[i].probability;
  }
  for (index_t i = 0; i < count; ++i) out[i].probability /= total;
  return count;
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// The tokens that remain after temperature, top_k, top_p and min_p, with probabilities that sum to 1, in `out` (room
/// for n); returns how many. The options pass check(), temperature > 0; no logit is NaN. Without the repetition
/// penalty.
[[nodiscard]] inline index_t filter_candidates(const float* logits, index_t n, const SamplingOptions& o,
                                               Candidate* out) {
  const index_t best = argmax(logits, n);
  if (best < 0) return 0;
  const auto logit = [logits](index_t i) { return logits[i]; };
  return detail::keep_likely(out, detail::after_temperature(logit, n, logits[best], o.temperature, out), o);
}

/// Draw number `step` from the logits; `seen` are the ids that a repetition penalty is for. `scratch` has room for n
/// candidates. errc::invalid_logits where any is NaN, errc::invalid_argument as check().
[[nodiscard]] inline result<std::int32_t> sample(const float* logits, index_t n, const SamplingOptions& o,
                                                 std::uint64_t step, Candidate* scratch,
                                                 std::span<const std::int32_t> seen = {}) {
  if (status s = check(o); !s) return fail(s.error());
  index_t best = argmax(logits, n);
  if (best < 0) return fail(errc::invalid_logits, "the logits contain NaN; are the weights damaged?");
  const bool penalised = o.repetition_penalty != 1 && !seen.empty();
  if (penalised) best = detail::penalise(logits, n, o.repetition_penalty, seen, scratch);
  const float largest = penalised ? scratch[best].logit : logits[best];
  if (o.temperature == 0 || largest == -std::numeric_limits<float>::infinity()) return static_cast<std::int32_t>(best);
  // So cold that logits / temperature leaves the range of f32: only the best remains.
  if (std::isfinite(largest) && !std::isfinite(largest / static_cast<float>(o.temperature)))
    return static_cast<std::int32_t>(best);
  const index_t all = penalised ? detail::after_temperature([scratch](index_t i) { return scratch[i].logit; }, n,
                                                            largest, o.temperature, scratch)
                                : detail::after_temperature([logits](index_t i) { return logits[i]; }, n, largest,
                                                            o.temperature, scratch);
  const index_t count = detail::keep_likely(scratch, all, o);
  const double u = philox_uniform(o.seed, 0, step);
  double sum = 0;
  for (index_t i = 0; i < count; ++i) {
    sum += scratch[i].probability;
    if (u < sum) return scratch[i].id;
  }
  // Rounding may leave the sum a hair below 1: then the last candidate that has any probability.
  for (index_t i = count; i-- > 0;)
    if (scratch[i].probability > 0) return scratch[i].id;
  return static_cast<std::int32_t>(best);
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
