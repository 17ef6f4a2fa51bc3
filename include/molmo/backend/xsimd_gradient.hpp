// SPDX-License-Identifier: Apache-2.0
// Several gradients in one pass of SIMD registers: the speed of on(cpu, dx, dw) = gradient(e, g, x, w).
//
// Each position is walked once, forwards and backwards, and every target is stored from the same registers. Threads
// share rows, or pieces of the one long row where nothing is spread, as in a pass with one target.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/expr/gradient.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

// Columns [begin, end) of row `row`, the first target of which is y[0], and so on.
template <class V, bool InOrder, class Walk, class... T>
void gradient_columns(const Walk& expression, index_t row, index_t begin, index_t end, T*... y) {
  const Walk walk = expression;  // a copy that no store can change, so that it stays in registers
  index_t c = begin;
  for (; c + V::size <= end; c += V::size) {
    const auto found = walk.template walk<InOrder>(LanesAt<V>{row, c, V{}});
    int k = 0;
    (found.sum[k++].store(y + c), ...);
  }
  if (c < end) {
    const int count = static_cast<int>(end - c);
    const auto found = walk.template walk<InOrder>(TailAt<V>{row, c, count, V{}});
    int k = 0;
    (found.sum[k++].store(y + c, count), ...);
  }
}
template <class V, class Walk, class... T>
void gradient_row(const Walk& walk, index_t row, index_t begin, index_t end, T*... y) {
  if constexpr (Walk::operands == sizeof...(T)) {
    if (walk.in_order()) return gradient_columns<V, true>(walk, row, begin, end, y...);
  }
  gradient_columns<V, false>(walk, row, begin, end, y...);
}

}  // namespace detail::inline MOLMO_ISA

/// One pass, shared among the threads when it is long.
template <class F, class Root, class E, class Arch, class Walk, class... Y>
void gradient_pass(const Xsimd<Arch>& cpu, const Walk& walk, const Y&... y) {
  if constexpr (std::is_same_v<F, double>) {
    gradient_pass<F, Root, E>(static_cast<const Reference&>(cpu), walk, y...);
  } else {
    using V = Lanes<Arch>;
    const index_t rows = detail::first_of(y...).rows(), size = rows * Root::cols;
    const bool share = size >= parallel_pass_elements;
    if constexpr (!detail::broadcasts<E, Root>() && (detail::rows_follow<Y> && ...)) {  // one long row
      cpu.parallel_if(share, [&](int part, int parts) {
        const Range mine = split(size, part, parts, index_t{64});
        detail::gradient_row<V>(walk, 0, mine.begin, mine.end, y.data...);
      });
    } else {
      cpu.parallel_if(share, [&](int part, int parts) {
        const Range mine = split(rows, part, parts);
        for (index_t r = mine.begin; r < mine.end; ++r) detail::gradient_row<V>(walk, r, 0, Root::cols, y.row(r)...);
      });
    }
  }
}

}  // namespace molmo::inline v0
