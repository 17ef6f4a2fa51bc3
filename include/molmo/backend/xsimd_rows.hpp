// SPDX-License-Identifier: Apache-2.0
// What Xsimd calculates row by row: expressions with row reductions, and rows that an op goes on to change in place.
//
//   y = x * rsqrt(mean(x * x) + eps) * w       pass 1 reads row r of x into the L1 cache, pass 2 finds it there
// Rows are shared among the threads; a row is one thread's from its first reduction to its last store, so results do
// not depend on how many there are.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/expr/row_reduce.hpp>
#include <molmo/expr/target_rows.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

// Rows of few columns are dealt in groups, a cache line of y to one thread; and as many rows are stored before finish()
// goes on with them as leave them in the L1 cache, and are too few to be shared among threads.
inline constexpr index_t rows_of_a_line = 16, elements_at_once = 4096;

/// y's rows = those of the erased expression `open`, handed to finish() when they are stored.
template <class V, class Cpu, class T, class E, class Finish>
MOLMO_NOINLINE void run_rows(const Cpu& cpu, const TargetRows<T>& y, index_t rows, index_t cols, const E& open,
                             const Finish& finish) {
  const bool share = rows > 1 && rows * (cols + reduced_columns(open)) >= parallel_pass_elements;
  cpu.parallel_if(share, [&](int part, int parts) {
    const Range mine = split(rows, part, parts, cols < rows_of_a_line ? rows_of_a_line : index_t{1});
    const index_t most = cols < elements_at_once && y.dense(cols) ? elements_at_once / cols : index_t{1};
    E numbers = open;  // of this thread
    for (index_t r = mine.begin, first = r; r < mine.end; ++r) {
      reduce_operands(cpu, numbers, r);
      assign_row<V>(y.row(r), numbers, r, 0, cols);
      if (r + 1 - first < most && r + 1 < mine.end) continue;
      finish(y.row(first), r + 1 - first);
      first = r + 1;
    }
  });
}

}  // namespace detail::inline MOLMO_ISA

/// Rows in SIMD registers; in double, the plain loop. Rows of y may lie apart.
template <class Arch, class T, class S, index_t R, index_t O, class E, class Finish>
void assign_rows(const Xsimd<Arch>& cpu, View<T, S, Host, R, O> y, const E& e, const Finish& finish) {
  if constexpr (std::is_same_v<detail::pass_t<T, E>, double>)
    assign_rows(static_cast<const Reference&>(cpu), y, e, finish);
  else
    detail::run_rows<Lanes<Arch>>(cpu, detail::target_rows(y), y.rows(), S::cols,
                                  detail::with_numbers(e.template erased<S>()), finish);
}

}  // namespace molmo::inline v0
