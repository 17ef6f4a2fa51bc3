// SPDX-License-Identifier: Apache-2.0
// Dot products of a few rows with a few rows, in SIMD registers: the inner loop of decoding (weights x token).
// Every product is one sum in one register, element by element in ascending order, then added
// across lanes in a fixed order: its bits do not depend on R or T.
#pragma once

#include <molmo/backend/lanes.hpp>
#include <molmo/core/shape.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// sums[t * R + r] = x row t . w row r, for R weight rows and T rows of x.
template <class V, int R, int T, class W>
MOLMO_INLINE void dot_rows(const W* w, index_t w_stride, const float* x, index_t x_stride, index_t k, float* sums) {
  V a[T * R];
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
  int i = 0;
  MOLMO_UNROLL
  for (; i + 8 <= T * R; i += 8) {
    const V eight[8] = {a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7]};
    V::reduce_add8(eight, sums + i);
  }
  MOLMO_UNROLL
  for (; i < T * R; ++i) sums[i] = reduce_add(a[i]);
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
