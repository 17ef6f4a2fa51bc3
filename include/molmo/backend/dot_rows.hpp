// SPDX-License-Identifier: Apache-2.0
// Dot products of a few rows with a few rows, in SIMD registers: the inner loop of decoding (weights x token) and of
// attention (keys x query). Every product is one sum in one register, element by element in ascending order, then added
// across lanes in a fixed order: its bits do not depend on R or T.
#pragma once

#include <molmo/backend/lanes.hpp>
#include <molmo/core/shape.hpp>

namespace molmo::inline v0::detail {

/// Rows up to this length are read one after another: a small matrix then is one stream. Longer ones are walked
/// together, eight streams side by side, which reads memory faster.
inline constexpr index_t short_row = 256;

/// a[t * R + r] (+)= the products of row r of w with row t of x, for rows of at most short_row elements.
template <class V, int R, int T, class W>
MOLMO_INLINE void accumulate_short(const W* w, index_t w_stride, const float* x, index_t x_stride, index_t k,
                                   V (&a)[T * R]) {
  const index_t whole = k / V::size * V::size;
  const int tail = static_cast<int>(k - whole);
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) {
    const W* row = w + r * w_stride;
    V s[T];
    MOLMO_UNROLL
    for (int t = 0; t < T; ++t) s[t] = V::broadcast(0.0f);
    for (index_t c = 0; c < whole; c += V::size) {
      const V ws = V::load(row + c);
      MOLMO_UNROLL
      for (int t = 0; t < T; ++t) s[t] = fma(ws, V::load(x + t * x_stride + c), s[t]);
    }
    if (tail != 0) {
      const V ws = V::load(row + whole, tail);
      MOLMO_UNROLL
      for (int t = 0; t < T; ++t) s[t] = fma(ws, V::load(x + t * x_stride + whole, tail), s[t]);
    }
    MOLMO_UNROLL
    for (int t = 0; t < T; ++t) a[t * R + r] = s[t];
  }
}

/// sums[t * R + r] = x row t . w row r, for R weight rows and T rows of x.
template <class V, int R, int T, class W>
MOLMO_INLINE void dot_rows(const W* w, index_t w_stride, const float* x, index_t x_stride, index_t k, float* sums) {
  V a[T * R];
  if (k <= short_row) {
    accumulate_short<V, R, T>(w, w_stride, x, x_stride, k, a);
  } else {
    MOLMO_UNROLL
    for (int i = 0; i < T * R; ++i) a[i] = V::broadcast(0.0f);
    index_t c = 0;
    for (; c + V::size <= k; c += V::size) {
      V xs[T];
      MOLMO_UNROLL
      for (int t = 0; t < T; ++t) xs[t] = V::load(x + t * x_stride + c);
      MOLMO_UNROLL
      for (int r = 0; r < R; ++r) {
        const V ws = V::load(w + r * w_stride + c);
        MOLMO_UNROLL
        for (int t = 0; t < T; ++t) a[t * R + r] = fma(ws, xs[t], a[t * R + r]);
      }
    }
    if (c < k) {
      const int count = static_cast<int>(k - c);
      for (int t = 0; t < T; ++t) {
        const V xs = V::load(x + t * x_stride + c, count);
        for (int r = 0; r < R; ++r) a[t * R + r] = fma(V::load(w + r * w_stride + c, count), xs, a[t * R + r]);
      }
    }
  }
  int i = 0;
  MOLMO_UNROLL
  for (; i + 8 <= T * R; i += 8) {
    const V eight[8] = {a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7]};
    V::reduce_add8(eight, sums + i);
  }
  MOLMO_UNROLL
  for (; i < T * R; ++i) sums[i] = reduce_add(a[i]);
}

}  // namespace molmo::inline v0::detail
