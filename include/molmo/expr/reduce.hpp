// SPDX-License-Identifier: Apache-2.0
// Reductions. Over everything they return a number; over each row they are statements that store one number per row.
//
//   float s = sum(cpu, x * x);            float m = max_of(cpu, x);
//   on(cpu, s) = row_sum(x * x);          on(cpu, m) = row_max(x);      s, m: Shape<dyn>, x: Shape<dyn, D>
// So RMSNorm is two visible passes: on(cpu, s) = row_sum(x * x); on(cpu, y) = x * rsqrt(s / D + eps) * weight;
// The loops here add in double precision, one element after another. The fast ones (backend/xsimd.hpp, backend/cuda.cuh)
// add pieces of fixed size in a fixed order, so that the result does not depend on the number of threads.
#pragma once

#include <molmo/expr/assign.hpp>

#include <limits>

namespace molmo::inline v0 {

struct SumOf {
  template <class V>
  static MOLMO_INLINE V combine(V a, V b) {
    return a + b;
  }
  static constexpr double identity = 0;
};
struct MaxOf {
  template <class V>
  static MOLMO_INLINE V combine(V a, V b) {
    using scalar::max;
    return max(a, b);
  }
  static constexpr double identity = -std::numeric_limits<double>::infinity();
};

/// The meaning: all elements of row r of e, combined from left to right in double precision.
template <class R, class E>
[[nodiscard]] double reduce_row(const Reference&, R, const E& erased, index_t r, index_t cols) {
  double total = R::identity;
  for (index_t c = 0; c < cols; ++c) total = R::combine(erased.eval(ScalarAt<double>{r, c}), total);
  return total;
}

namespace detail {

template <class E>
[[nodiscard]] index_t rows_of(const E& e) {
  return (E::shape::dynamic ? e.tokens() : index_t{1}) * E::shape::static_rows;
}
template <class Ctx, class R, class E>
[[nodiscard]] double reduce_all(const Ctx& ctx, R r, const E& e) {
  const auto flat = e.template erased<typename E::shape>();
  if constexpr (!broadcasts<E, typename E::shape>()) {  // one long row
    return reduce_row(ctx, r, flat, 0, rows_of(e) * E::shape::cols);
  } else {
    double total = R::identity;
    for (index_t row = 0; row < rows_of(e); ++row) total = R::combine(reduce_row(ctx, r, flat, row, E::shape::cols), total);
    return total;
  }
}

template <class R, class E>
struct RowReduce {
  E e;

  template <class Ctx, class T, class S>
  void run(const Ctx& ctx, View<T, S> y) const {
    static_assert(S::rank == 1 && E::shape::rank == 2, "molmo: row_sum and row_max reduce Shape<n, cols> to Shape<n>");
    static_assert(S::dynamic == E::shape::dynamic && (S::dynamic || S::cols == E::shape::static_rows),
                  "molmo: the target of row_sum and row_max has one element per row");
    const index_t rows = rows_of(e);
    expects(y.size() == rows, tokens_differ);
    const auto flat = e.template erased<typename E::shape>();
    for (index_t r = 0; r < rows; ++r) y.data[r] = static_cast<T>(reduce_row(ctx, R{}, flat, r, E::shape::cols));
  }
};

}  // namespace detail

template <class R, class E>
inline constexpr bool enable_statement<detail::RowReduce<R, E>> = true;

/// The sum of all elements.
template <class Ctx, Shaped X>
[[nodiscard]] float sum(const Ctx& ctx, X&& x) {
  return static_cast<float>(detail::reduce_all(ctx, SumOf{}, leaf(std::forward<X>(x))));
}
/// The largest element; -infinity where there is none. NaN elements are passed over.
template <class Ctx, Shaped X>
[[nodiscard]] float max_of(const Ctx& ctx, X&& x) {
  return static_cast<float>(detail::reduce_all(ctx, MaxOf{}, leaf(std::forward<X>(x))));
}
/// Statement: the sum of each row.
template <Shaped X>
[[nodiscard]] auto row_sum(X&& x MOLMO_LIFETIMEBOUND) {
  return detail::RowReduce<SumOf, leaf_t<X>>{leaf(std::forward<X>(x))};
}
/// Statement: the largest element of each row.
template <Shaped X>
[[nodiscard]] auto row_max(X&& x MOLMO_LIFETIMEBOUND) {
  return detail::RowReduce<MaxOf, leaf_t<X>>{leaf(std::forward<X>(x))};
}

}  // namespace molmo::inline v0
