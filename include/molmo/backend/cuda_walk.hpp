// SPDX-License-Identifier: Apache-2.0
// Which thread of a grid reads which element: the index arithmetic of every GPU kernel of this library, and the bodies
// of the pointwise pass and of the reductions, as functions that run on the host as well.
// tests/backend/cuda_walk_test.cpp plays all threads of a grid one after another and sees each element touched once and
// every sum in its fixed order.
//
//   rows x cols; columns [0, packed) are read in packs of N by worker x = 0, 1, ..., the rest one by one;
//   worker y takes the rows y, y + y_step, ... A pass without broadcasting is one long row.
// A reduction has its order from its sizes alone, never from the GPU that runs it.
#pragma once

#include <molmo/backend/cuda_rows.hpp>
#include <molmo/expr/reduce.hpp>

#include <cstdint>

namespace molmo::inline v0 {

/// Threads of a block, and blocks.
struct GridSize {
  unsigned threads_x = 1, threads_y = 1;
  unsigned blocks_x = 0, blocks_y = 1;
};

/// One thread: where it starts and how far it steps, in packs (or elements) and in rows.
struct Worker {
  index_t x = 0, y = 0;
  index_t x_step = 1, y_step = 1;
};

inline constexpr unsigned cuda_threads = 256;  ///< of a block, at most

namespace detail {

constexpr index_t divide_up(index_t a, index_t b) { return (a + b - 1) / b; }

// The power of two that is not less than n, within [low, high].
constexpr unsigned power_of_2_within(index_t n, unsigned low, unsigned high) {
  unsigned p = low;
  while (p < high && p < static_cast<std::uint64_t>(n)) p *= 2;
  return p;
}

}  // namespace detail

/// The walk over rows x cols in packs of `pack`, if all addresses are on_chunks. Rows after the first must begin
/// on a pack as well.
[[nodiscard]] constexpr Walk make_walk(index_t rows, index_t cols, int pack, bool aligned) {
  const bool packs = aligned && pack > 1 && (rows <= 1 || cols % pack == 0);
  return {rows, cols, packs ? cols / pack * pack : index_t{0}};
}

/// A grid for the walk: as many threads as packs, at most `blocks` blocks, which then take several packs each.
[[nodiscard]] constexpr GridSize make_grid(const Walk& w, int pack, index_t blocks) {
  const index_t units = w.packed > 0 ? w.packed / pack : w.cols;
  GridSize g;
  if (w.rows <= 0 || units <= 0) return g;
  g.threads_x = detail::power_of_2_within(units, 1, cuda_threads);
  g.threads_y = w.rows > 1 ? cuda_threads / g.threads_x : 1;
  const index_t x = detail::divide_up(units, static_cast<index_t>(g.threads_x));
  const index_t y = detail::divide_up(w.rows, static_cast<index_t>(g.threads_y));
  g.blocks_x = static_cast<unsigned>(x < blocks ? x : blocks);
  const index_t most_y = blocks / static_cast<index_t>(g.blocks_x) > 1 ? blocks / static_cast<index_t>(g.blocks_x) : 1;
  g.blocks_y = static_cast<unsigned>(y < most_y ? y : most_y);
  return g;
}

/// The pass y = e as one thread runs it; y is a pointer to rows that follow each other, or TargetRows.
template <int N, class Y, class E>
MOLMO_INLINE void pass_share(const E& e, Y y, const Walk& w, const Worker& me) {
  using F = std::conditional_t<N == 1, double, float>;
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (index_t r = me.y; r < w.rows; r += me.y_step) {
    auto* const row = detail::row_of(y, w, r);
    using T = std::remove_reference_t<decltype(*row)>;
    if constexpr (N > 1) {
#if defined(__CUDA_ARCH__)
#pragma unroll 1  // few registers, so that many threads have loads under way
#endif
      for (index_t c = me.x * N; c < w.packed; c += me.x_step * N)
        e.eval(detail::as_stored<T>(LanesAt<Pack<N>>{r, c, Pack<N>{}})).store(row + c);
    }
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
    for (index_t c = w.packed + me.x; c < w.cols; c += me.x_step)
      row[c] = static_cast<T>(e.eval(detail::as_stored<T>(ScalarAt<F>{r, c, F{}})));
  }
}

/// What thread `t` of `threads` adds up of columns [begin, end) of one row: packs in float, then the pack in double.
template <int N, class R, class E>
MOLMO_INLINE double reduce_share(const E& e, const Walk& w, index_t row, index_t begin, index_t end, index_t t,
                                 index_t threads) {
  using F = std::conditional_t<N == 1, double, float>;
  double total = R::identity;
  const index_t packed = w.packed < end ? w.packed : end;
  if constexpr (N > 1) {
    Pack<N> sums = Pack<N>::broadcast(static_cast<float>(R::identity));
#if defined(__CUDA_ARCH__)
#pragma unroll 2
#endif
    for (index_t c = begin + t * N; c < packed; c += threads * N)
      sums = R::combine(e.eval(LanesAt<Pack<N>>{row, c, Pack<N>{}}), sums);
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) total = R::combine(static_cast<double>(sums.v[i]), total);
  }
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (index_t c = (begin > packed ? begin : packed) + t; c < end; c += threads)
    total = R::combine(static_cast<double>(e.eval(ScalarAt<F>{row, c, F{}})), total);
  return total;
}

/// One step of the tree that joins the threads of a block: half = threads / 2, ..., 2, 1; part[0] is the result.
template <class R>
MOLMO_INLINE void reduce_step(double* part, unsigned half, unsigned t) {
  if (t < half) part[t] = R::combine(part[t + half], part[t]);
}

/// Threads that reduce one row together, a power of two.
[[nodiscard]] constexpr unsigned reduce_threads(const Walk& w, int pack) {
  return detail::power_of_2_within(w.packed > 0 ? w.packed / pack : w.cols, 32, cuda_threads);
}

/// How a reduction of everything is cut into `blocks` partial results: one long row by columns, several rows by rows.
struct ReducePlan {
  unsigned blocks = 0;
  index_t columns = 0;  ///< of one block
};
inline constexpr unsigned reduce_blocks = 1024;  ///< partial results, at most

[[nodiscard]] constexpr ReducePlan make_reduce_plan(const Walk& w, int pack) {
  if (w.rows <= 0 || w.cols <= 0) return {};
  if (w.rows > 1) return {static_cast<unsigned>(w.rows < reduce_blocks ? w.rows : reduce_blocks), w.cols};
  const index_t grain = static_cast<index_t>(cuda_threads) * pack;  // a block's threads have one pack each at least
  const index_t each = detail::divide_up(detail::divide_up(w.cols, reduce_blocks), grain) * grain;
  return {static_cast<unsigned>(detail::divide_up(w.cols, each)), each};
}

/// What thread `t` of `threads` of block `b` adds up in a reduction of everything.
template <int N, class R, class E>
MOLMO_INLINE double reduce_all_share(const E& e, const Walk& w, const ReducePlan& plan, index_t b, index_t t,
                                     index_t threads) {
  const bool by_rows = w.rows > 1;
  const index_t begin = by_rows ? 0 : b * plan.columns;
  const index_t end = begin + plan.columns < w.cols ? begin + plan.columns : w.cols;
  double total = R::identity;
  for (index_t r = by_rows ? b : 0; r < w.rows; r += static_cast<index_t>(plan.blocks))
    total = R::combine(reduce_share<N, R>(e, w, r, begin, end, t, threads), total);
  return total;
}

/// What thread `t` of `threads` adds up of the partial results.
template <class R>
MOLMO_INLINE double partial_share(const double* partial, unsigned count, unsigned t, unsigned threads) {
  double total = R::identity;
  for (unsigned i = t; i < count; i += threads) total = R::combine(partial[i], total);
  return total;
}

}  // namespace molmo::inline v0
