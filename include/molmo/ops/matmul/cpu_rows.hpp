// SPDX-License-Identifier: Apache-2.0
// matmul for few rows of x (decoding) where the weights lie row after row, as a mapped checkpoint has them: every
// weight is read once, straight from its stored format.
//
// Eight adjacent weight rows are walked together (fewer where several rows of x fill the registers): eight streams keep
// the memory busy, and independent sums hide the latency of the multiply-add. At the end all of them are added across
// lanes at once. With several tokens, each loaded register of weights serves up to four of them. An element is always
// the same sum in the same order, whatever the number of rows of x, so a token computed alone and in a small batch has
// the same bits.
#pragma once

#include <molmo/backend/dot_rows.hpp>
#include <molmo/ops/matmul/cpu_panels.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// Columns whose sums are gathered before the epilogue runs over them; a multiple of every register size.
inline constexpr index_t row_block = 64;

/// sums[t * row_block + i] = x row (m + t) . weight row (n + i), for T rows of x and i < count <= row_block.
template <class V, class F, int T>
MOLMO_NOINLINE void sum_rows(const Rows& x, index_t m, const WeightMatrix& w, index_t n, index_t count, float* sums) {
  using W = typename F::element;
  const W* rows = reinterpret_cast<const W*>(w.data) + n * x.k;
  const float* xs = x.data + m * x.stride;
  constexpr int together = V::size > 8 ? 24 / T >= 8 ? 8 : 4 : T == 1 ? 8 : T <= 3 ? 4 : 2;  // T * together registers
  if (count < together) {
    for (int t = 0; t < T; ++t)
      for (index_t i = 0; i < count; ++i)
        dot_rows<V, 1, 1>(rows + i * x.k, x.k, xs + t * x.stride, x.stride, x.k, sums + t * row_block + i);
    return;
  }
  for (index_t i = 0;; i += together) {
    if (i + together > count) i = count - together;  // the last rows; some are calculated again
    alignas(64) float some[T * together];
    dot_rows<V, together, T>(rows + i * x.k, x.k, xs, x.stride, x.k, some);
    for (int t = 0; t < T; ++t)
      for (int r = 0; r < together; ++r) sums[t * row_block + i + r] = some[t * together + r];
    if (i + together == count) return;
  }
}

/// All rows of x against weight rows [begin, end). Only sum_rows knows the weight format, only finish_row the epilogue.
template <class V, class P>
void multiply_few_rows(const Rows& x, const P& p, index_t begin, index_t end) {
  using Sum = void (*)(const Rows&, index_t, const WeightMatrix&, index_t, index_t, float*);
  constexpr index_t most = 4;  // rows of x at once
  Sum sum[most] = {};
  with_format(p.w.format, [&]<class F>(F) {
    if constexpr (PlainFormat<F>) {
      sum[0] = &sum_rows<V, F, 1>;
      sum[1] = &sum_rows<V, F, 2>;
      sum[2] = &sum_rows<V, F, 3>;
      sum[3] = &sum_rows<V, F, 4>;
    }
  });
  alignas(64) float sums[most * row_block];
  const int groups = static_cast<int>((x.m + most - 1) / most);  // of nearly equal size: 8 rows are 4 + 4
  const index_t step = groups == 1 ? row_block : 16;  // weight rows that stay in the cache until all groups have passed
  for (index_t n = begin; n < end; n += step) {
    const index_t count = end - n < step ? end - n : step;
    for (int g = 0; g < groups; ++g) {
      const Range r = split(x.m, g, groups);
      sum[r.end - r.begin - 1](x, r.begin, p.w, n, count, sums);
      for (index_t m = r.begin; m < r.end; ++m) finish_row<V>(p, m, n, count, sums + (m - r.begin) * row_block);
    }
  }
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
