// SPDX-License-Identifier: Apache-2.0
// The softmax of attention on Xsimd, between scores and values, a row at a time:
//
//   exp2_weight   2^y, y from -infinity to 100: 0 below -126.5; largest relative error 1.5e-7 besides a constant factor
//   weigh         scores become weights 2^(score - shift); running sums are rescaled when the largest score grows a lot
// Queries come scaled by log2(e) / sqrt(head_dim), so that weights are powers of two.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/attention/kv.hpp>

#include <limits>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

inline constexpr float lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// The lowest 8 bits of each lane as the exponent of a float.
template <class V>
MOLMO_INLINE V exponent_from_low_bits(V x) {
  using A = typename V::arch;
#if MOLMO_AVX512  // with a zero mask: the plain shift of g++ 12 starts from an undefined register and warns about it
  if constexpr (std::is_base_of_v<xsimd::avx512f, A>)
    return typename V::batch(
        _mm512_castsi512_ps(_mm512_maskz_slli_epi32(__mmask16{0xffff}, _mm512_castps_si512(x.v), 23)));
  else
#endif
#if XSIMD_VERSION_MAJOR >= 11
    return as_floats<A>(xsimd::bitwise_cast<std::int32_t>(x.v) << 23);
#else
  return as_floats<A>(xsimd::bitwise_cast<xsimd::batch<std::int32_t, A>>(x.v) << 23);
#endif
}

/// The larger of x and y per lane. Where x is NaN: y or NaN, whichever the machine's own instruction returns.
template <class V>
MOLMO_INLINE V larger_or(V x, V y) {
#if MOLMO_AVX512
  if constexpr (std::is_base_of_v<xsimd::avx512f, typename V::arch>)
    return typename V::batch(_mm512_maskz_max_ps(__mmask16{0xffff}, x.v, y.v));
  else
#endif
    return (xsimd::max)(x.v, y.v);
}

/// 2^y per lane.
template <class V>
MOLMO_INLINE V exp2_weight(V y) {
  // Adding `shift` rounds to a whole number n and leaves n + 127 in the lowest bits, where 2^n takes its exponent from.
  constexpr float c[] = {1.0f, 0x1.62e428p-1f, 0x1.ebf916p-3f, 0x1.c6b6e2p-5f, 0x1.3d0c52p-7f, 0x1.5c08e4p-10f};
  const V shift = V::broadcast(0x1.8p23f + 127.0f);
  const V held = larger_or(V::broadcast(-127.0f), y);  // NaN stays
  const V biased = held + shift;
  return polynomial(held - (biased - shift), c) * exponent_from_low_bits(biased);
}

/// The state of a query row while its keys are walked. Weights are 2^(score - shift); `shift` follows the largest
/// score, but not at every step.
struct WeightedRow {
  index_t token, head;  ///< the head of the group
  index_t visible;      ///< keys that it sees, from the first of all
  float shift;
};

/// Scores are weighed as powers of 2.
inline constexpr float log2_e = 1.44269504088896341f;
/// Multiply-adds below which a second thread costs more than it saves.
inline constexpr index_t parallel_attention = 65536;

/// The largest lane; none is NaN.
template <class V>
MOLMO_INLINE float largest_lane(V x) {
  alignas(64) float lane[static_cast<std::size_t>(V::size)];
  x.store(lane);
  MOLMO_UNROLL
  for (int half = V::size / 2; half > 0; half /= 2) {
    MOLMO_UNROLL
    for (int i = 0; i < half; ++i) lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
  }
  return lane[0];
}

/// Moves the shift of a row to its largest score, `most`, and rescales its sums. Weights up to 2^8 lose no precision,
/// so the shift moves only when a score exceeds it by more than 8.
template <class V>
MOLMO_INLINE void move_shift(WeightedRow& row, V most, float* total, float* out, index_t width) {
  if (!xsimd::any(most.v > V::broadcast(row.shift + 8.0f).v)) return;
  const float shift = largest_lane(most);
  const V shrink = exp2_weight(V::broadcast(row.shift - shift));
  row.shift = shift;
  (V::load(total) * shrink).store(total);
  for (index_t i = 0; i < width; i += V::size) (V::load(out + i) * shrink).store(out + i);
}

/// Scores of `rows` rows, p[r * stride + 0 ... seen), become weights, filled up with zeros to whole panels, and are
/// added to the register total[r]; row r sees min(keys, rows[r].visible - first) keys. Its sums, out[r * width + 0 ...
/// width), are rescaled when the shift moves. q8: scores are multiplied by the scales of the keys, and weights, once
/// added up, by those of the values.
template <class V, bool Scaled>
void weigh(WeightedRow* rows, index_t count, index_t first, index_t keys, float* p, index_t stride, float* total,
           float* out, index_t width, const float* k_scales, const float* v_scales) {
  const V lanes = V::load(lane_numbers), zero = V::broadcast(0.0f);
  const V never = V::broadcast(-std::numeric_limits<float>::infinity());
  for (index_t r = 0; r < count; ++r, p += stride, total += V::size, out += width) {
    WeightedRow& row = rows[r];
    const index_t seen = row.visible - first < keys ? row.visible - first : keys;
    if (seen <= 0) continue;
    const index_t whole = seen & ~index_t{V::size - 1}, filled = (seen + kv_panel - 1) & ~(kv_panel - 1);
    const V end = V::broadcast(static_cast<float>(seen));
    const auto at = [&](index_t j) { return lanes + V::broadcast(static_cast<float>(j)); };
    V most = V::broadcast(row.shift);
    index_t j = 0;
    for (; j < whole; j += V::size) {
      V x = V::load(p + j);
      if constexpr (Scaled) {
        x = x * V::load(k_scales + j);
        x.store(p + j);
      }
      most = larger_or(x, most);
    }
    for (; j < filled; j += V::size) {
      V x = V::load(p + j);
      if constexpr (Scaled) x = x * V::load(k_scales + j);
      x = select_less(at(j), end, x, never);
      x.store(p + j);
      most = larger_or(x, most);
    }
    move_shift(row, most, total, out, width);
    const V shift = V::broadcast(row.shift);
    V sum = V::load(total);
    for (j = 0; j < whole; j += V::size) {
      V w = exp2_weight(V::load(p + j) - shift);
      sum = sum + w;
      if constexpr (Scaled) w = w * V::load(v_scales + j);
      w.store(p + j);
    }
    for (; j < filled; j += V::size) {
      V w = exp2_weight(V::load(p + j) - shift);
      sum = sum + w;
      if constexpr (Scaled) w = select_less(at(j), end, w * V::load(v_scales + j), zero);
      w.store(p + j);
    }
    sum.store(total);
  }
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
