// SPDX-License-Identifier: Apache-2.0
// matmul for few rows of x (decoding): every weight is read once, straight from its stored format.
//
// Eight adjacent weight rows are walked together: eight streams keep the memory busy and eight independent sums hide the
// latency of the multiply-add; the eight sums are then added across lanes at once. With several tokens each loaded
// register of weights serves up to three of them. An element is always the same sum in the same order, whatever the
// number of rows of x, so a token computed alone and in a small batch has the same bits.
#pragma once

#include <molmo/backend/dot_rows.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/matmul/matmul.hpp>

namespace molmo::inline v0::detail {

// Columns that are finished together: a whole register at least, and whole groups of eight rows.
template <class V>
inline constexpr index_t row_block = V::size > 8 ? V::size : 8;

/// T rows of x (T <= 3) against weight rows [n, n + count), count <= row_block; the results go through the epilogue.
template <class V, int T, class F, class Out, class E>
void finish_row_block(const Rows& x, index_t m, const Product<Out, E>& p, index_t n, index_t count) {
  using W = typename F::element;
  constexpr index_t block = row_block<V>;
  const index_t k = x.k;
  const W* w = reinterpret_cast<const W*>(p.w.data) + n * k;
  const float* rows = x.data + m * x.stride;
  alignas(64) float sums[T * block];
  for (index_t done = 0; done < count;) {
    if (count - done >= 8) {
      alignas(64) float eight[T * 8];
      dot_rows<V, 8, T>(w + done * k, k, rows, x.stride, k, eight);
      for (int t = 0; t < T; ++t)
        for (int r = 0; r < 8; ++r) sums[t * block + done + r] = eight[t * 8 + r];
      done += 8;
    } else {
      float one[T];
      dot_rows<V, 1, T>(w + done * k, k, rows, x.stride, k, one);
      for (int t = 0; t < T; ++t) sums[t * block + done] = one[t];
      done += 1;
    }
  }
  for (int t = 0; t < T; ++t) {
    Out* y = p.y + (m + t) * p.stride + n;
    index_t c = 0;
    for (; c + V::size <= count; c += V::size)
      p.finish(LanesAt<V>{m + t, n + c, V::load(sums + t * block + c)}).store(y + c);
    if (c < count) {
      const int tail = static_cast<int>(count - c);
      p.finish(TailAt<V>{m + t, n + c, tail, V::load(sums + t * block + c, tail)}).store(y + c, tail);
    }
  }
}

/// All rows of x against weight rows [begin, end).
template <class V, class F, class Out, class E>
void multiply_few_rows(const Rows& x, const Product<Out, E>& p, index_t begin, index_t end) {
  constexpr int at_once = V::size > 8 ? 3 : 1;  // 24 sums need 32 registers
  for (index_t n = begin; n < end; n += row_block<V>) {
    const index_t count = end - n < row_block<V> ? end - n : row_block<V>;
    index_t m = 0;
    if constexpr (at_once == 3) {
      for (; m + 3 <= x.m; m += 3) finish_row_block<V, 3, F>(x, m, p, n, count);
      for (; m + 2 <= x.m; m += 2) finish_row_block<V, 2, F>(x, m, p, n, count);
    }
    for (; m < x.m; ++m) finish_row_block<V, 1, F>(x, m, p, n, count);
  }
}

}  // namespace molmo::inline v0::detail
