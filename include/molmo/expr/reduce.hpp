// SPDX-License-Identifier: Apache-2.0
// Reductions. Over everything they return a number; over each row they are statements that store one number per row.
//
//   float s = sum(cpu, x * x);            float m = max_of(cpu, x);
//   on(cpu, s) = row_sum(x * x);          on(cpu, m) = row_max(x);      s, m: Shape<dyn>, x: Shape<dyn, D>
// Of doubles the number is a double. A NaN is never passed over: max_of(cpu, abs(a - b)) < 1e-6 means it.
// So RMSNorm is two visible passes: on(cpu, s) = row_sum(x * x); on(cpu, y) = x * rsqrt(s / D + eps) * weight;
// The loops here add in double precision, one element after another. The fast ones (backend/xsimd.hpp,
// backend/cuda.cuh) add pieces of fixed size in a fixed order, so that the result does not depend on the number of
// threads.
#pragma once

#include <molmo/expr/acc.hpp>
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
    using scalar::larger_or_nan;
    return larger_or_nan(a, b);
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
[[nodiscard]] double reduce_by_rows(const Ctx& ctx, R r, const E& e) {
  const auto flat = e.template erased<typename E::shape>();
  if constexpr (!broadcasts<E, typename E::shape>()) {  // one long row
    return reduce_row(ctx, r, flat, 0, rows_of(e) * E::shape::cols);
  } else {
    double total = R::identity;
    for (index_t row = 0; row < rows_of(e); ++row)
      total = R::combine(reduce_row(ctx, r, flat, row, E::shape::cols), total);
    return total;
  }
}

}  // namespace detail

/// The meaning of sum and max_of: the rows, one after another. Backends overload this and reduce_rows.
template <class R, class E>
[[nodiscard]] double reduce_all(const Reference& cpu, R r, const E& e) {
  return detail::reduce_by_rows(cpu, r, e);
}
/// The meaning of row_sum and row_max: y[r] = row r of e, combined.
template <class R, class T, class S, class E>
void reduce_rows(const Reference& cpu, R r, View<T, S> y, const E& e) {
  const auto flat = e.template erased<typename E::shape>();
  for (index_t row = 0; row < y.size(); ++row)
    y.data[row] = static_cast<T>(reduce_row(cpu, r, flat, row, E::shape::cols));
}

namespace detail {

template <class R, class E>
struct RowReduce {
  E e;

  template <class Ctx, class T, class S, class M>
  void run(const Ctx& ctx, View<T, S, M> y) const {
    static_assert(is_element<T>, "molmo: the target of row_sum and row_max is float, double, bf16 or f16");
    static_assert(S::rank == 1 && E::shape::rank == 2, "molmo: row_sum and row_max reduce Shape<n, cols> to Shape<n>");
    static_assert(S::dynamic == E::shape::dynamic && (S::dynamic || S::cols == E::shape::static_rows),
                  "molmo: the target of row_sum and row_max has one element per row");
    check_no_acc<E>();
    check_operands<M>(e);
    expects(y.size() == rows_of(e), tokens_differ);
    e.each_leaf([&](const auto& operand) {  // a column at the same place is read before it is written
      using L = std::remove_cvref_t<decltype(operand)>;
      expects(apart(y, operand.view) || (L::shape::rank == 1 && L::shape::dynamic && same_place(y, operand.view)),
              "molmo: on(ctx, y) = row_sum(e) or row_max(e): y overlaps an operand of e; write to another tensor");
    });
    reduce_rows(ctx, R{}, y, e);
  }
};

template <class Ctx, class R, class X>
[[nodiscard]] auto reduce_to_number(const Ctx& ctx, R r, const X& e) {
  check_no_acc<X>();
  check_operands<typename Ctx::memory>(e);
  return static_cast<pass_t<float, X>>(reduce_all(ctx, r, e));
}

}  // namespace detail

template <class R, class E>
inline constexpr bool enable_statement<detail::RowReduce<R, E>> = true;

/// The sum of all elements: a float, a double where an operand is double.
template <class Ctx, Shaped X>
[[nodiscard]] auto sum(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number(ctx, SumOf{}, leaf(std::forward<X>(x)));
}
/// The largest element, of the same type as a sum; NaN where one is NaN, -infinity where there is none.
template <class Ctx, Shaped X>
[[nodiscard]] auto max_of(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number(ctx, MaxOf{}, leaf(std::forward<X>(x)));
}
/// Statement: the sum of each row.
template <Shaped X>
[[nodiscard]] auto row_sum(X&& x) {
  return detail::RowReduce<SumOf, leaf_t<X>>{leaf(std::forward<X>(x))};
}
/// Statement: the largest element of each row, NaN where one is NaN.
template <Shaped X>
[[nodiscard]] auto row_max(X&& x) {
  return detail::RowReduce<MaxOf, leaf_t<X>>{leaf(std::forward<X>(x))};
}

}  // namespace molmo::inline v0
