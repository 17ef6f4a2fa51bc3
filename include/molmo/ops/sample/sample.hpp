// SPDX-License-Identifier: Apache-2.0
// Choosing the next token from logits: greedy, or sampled after temperature, top-k and top-p, in Hugging Face's order and
// with its semantics:
//
//   temperature t   logits / t; 0 means greedy
//   top_k           keeps the k largest, and all that tie with the k-th; 0: off
//   top_p           keeps the fewest of the most likely tokens whose probabilities reach p (one at least); 1: off
// NaN among the logits is an error, never a token. +infinity shares all the probability among the infinities; if nothing
// but -infinity is there, the first token is taken. Draws are philox_uniform(seed, stream, step): reproducible anywhere.
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

namespace molmo::inline v0 {

struct SamplingOptions {
  double temperature = 0;  ///< 0: greedy
  index_t top_k = 0;       ///< 0: off
  double top_p = 1;        ///< 1: off
  std::uint64_t seed = 0;
};

/// errc::invalid_argument names the option that is out of range.
[[nodiscard]] inline status check(const SamplingOptions& o) {
  if (!(o.temperature >= 0) || std::isinf(o.temperature))
    return fail(errc::invalid_argument,
                text("temperature is ", o.temperature, "; it must be 0 (greedy) or a positive number"));
  if (o.top_k < 0) return fail(errc::invalid_argument, text("top_k is ", o.top_k, "; it must be 0 (off) or positive"));
  if (!(o.top_p >= 0 && o.top_p <= 1))
    return fail(errc::invalid_argument, text("top_p is ", o.top_p, "; it must lie in [0, 1], 1 meaning off"));
  return {};
}

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
      const std::int32_t bits = std::bit_cast<std::int32_t>(logits[i] + 0.0f);  // -0 becomes 0
      const std::int32_t size = bits & magnitude, ordered = bits < 0 ? bits ^ magnitude : bits;
      most = ordered > most ? ordered : most;
      widest = size > widest ? size : widest;
    }
    if (widest > infinity) return -1;
    if (most > largest) largest = most, best = begin;
  }
  if (best < 0) return -1;
  const float value = std::bit_cast<float>(largest < 0 ? largest ^ magnitude : largest);
  while (logits[best] != value) ++best;  // `best` was the first index of its block
  return best;
}

/// A token that survived the filters, with its probability.
struct Candidate {
  float logit;
  std::int32_t id;
  double probability;
};

namespace detail {

[[nodiscard]] inline bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// exp(logit - largest), with inf - inf = 0.
[[nodiscard]] inline double relative(float logit, float largest) {
  return logit == largest ? 1.0 : std::exp(static_cast<double>(logit) - static_cast<double>(largest));
}

}  // namespace detail

/// The tokens that remain after temperature, top_k and top_p, with probabilities that sum to 1, in `out` (room for n);
/// returns how many. temperature > 0; no logit is NaN.
[[nodiscard]] inline index_t filter_candidates(const float* logits, index_t n, const SamplingOptions& o,
                                               Candidate* out) {
  const float t = static_cast<float>(o.temperature);
  index_t count = 0;
  for (index_t i = 0; i < n; ++i)
    out[count++] = {t == 1.0f ? logits[i] : logits[i] / t, static_cast<std::int32_t>(i), 0};
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
  for (index_t i = 0; i < count; ++i) out[i].probability /= total;
  return count;
}

/// Draw number `step` from the logits. `scratch` has room for n candidates. errc::invalid_logits where any is NaN,
/// errc::invalid_argument as check().
[[nodiscard]] inline result<std::int32_t> sample(const float* logits, index_t n, const SamplingOptions& o,
                                                 std::uint64_t step, Candidate* scratch) {
  if (status s = check(o); !s) return fail(s.error());
  const index_t best = argmax(logits, n);
  if (best < 0) return fail(errc::invalid_logits, "the logits contain NaN; are the weights damaged?");
  if (o.temperature == 0 || logits[best] == -std::numeric_limits<float>::infinity())
    return static_cast<std::int32_t>(best);
  // So cold that logits / temperature leaves the range of f32: only the best remains.
  if (std::isfinite(logits[best]) && !std::isfinite(logits[best] / static_cast<float>(o.temperature)))
    return static_cast<std::int32_t>(best);
  const index_t count = filter_candidates(logits, n, o, scratch);
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

}  // namespace molmo::inline v0
