// SPDX-License-Identifier: Apache-2.0
// Reductions of rows, as operands: one number per row, beside which the row itself may stand.
//
//   on(cpu, y) = x * rsqrt(mean(x * x) + eps) * w;      RMSNorm: one statement, two passes over each row, no temporary
//   on(cpu, s) = mean(x * x);                            s: Shape<dyn>, x: Shape<dyn, D>
//   on(cpu, y) = exp(x - log_sum_exp(x));                softmax
// sum mean max_of min_of variance log_sum_exp any all. Of [n, D] they are a column [n], of a vector [D] a scalar, of
// all other shapes the shape with its last axis 1. They nest: mean(square(x - mean(x))).
//
// The passes over a row follow each other while it is in the cache (row_numbers.hpp says how). A row belongs to one
// thread, so the number of threads never shows. variance(x) is more exact than mean(square(x - mean(x))), whose inner
// mean is rounded to float.
#pragma once

#include <molmo/expr/acc.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>
#include <molmo/expr/row_local.hpp>
#include <molmo/expr/row_numbers.hpp>

#include <limits>

namespace molmo::inline v0 {
namespace detail {

// The shape of one number per row of S.
template <class S>
struct OnePerRow {
  static_assert(S::rank > 1 || !S::dynamic,
                "molmo: sum, mean, max_of ... of e reduce the rows of e, and a column has none; over tokens it is "
                "sum(ctx, e), mean(ctx, e), ...");
  using type = last_axis_1<S>;
};
template <index_t D>
struct OnePerRow<Shape<dyn, D>> {
  using type = Shape<dyn>;
};
template <index_t D>
  requires(D > 0)
struct OnePerRow<Shape<D>> {
  using type = Shape<>;
};

/// The node of sum(e), mean(e), ...: R over each row of E.
template <class R, class E>
struct RowReduction {
  using reduction = R;
  static constexpr const char* name = R::name;  // in formulas
  static constexpr NumberKind kind = kind_of_reduction<R>;
  using shape = typename OnePerRow<typename E::shape>::type;
  static constexpr bool pointwise = false;
  E a;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return shape::dynamic ? a.tokens() : index_t{-1}; }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    constexpr index_t apart = dense_stride<shape>;  // the numbers, had they a tensor of their own
    constexpr RowPlaces of = [] {
      if constexpr (shape::rank == 0 || Root::rank == 0)
        return RowPlaces{};
      else
        return rows_beside(lattice<shape>(apart, even_outer<shape>(apart)), walk_axes<Root>);
    }();
    static_assert(of.ok,
                  "molmo: a row reduction spreads over axes on both sides of one that it has; store it in a tensor");
    const auto operand = a.template erased<typename E::shape>();
    return OpenRow<R, std::remove_const_t<decltype(operand)>>{operand, E::shape::cols, of};
  }
  template <class F>
  constexpr void each_leaf(F&& f) const {
    a.each_leaf(f);
  }
};

template <class R, class E>
inline constexpr bool is_row_reduction<RowReduction<R, E>> = true;

/// What assign_rows does to rows that are stored: nothing more.
struct Stored {
  template <class T>
  void operator()(T*, index_t) const {}
};

}  // namespace detail

/// The meaning of y = e row by row, for an e with row reductions, or one whose rows `finish(first element, rows)` goes
/// on to change in place (softmax, norms, cumsum).
template <class T, class S, index_t R, index_t O, class E, class Finish>
void assign_rows(const Reference& cpu, View<T, S, Host, R, O> y, const E& e, const Finish& finish) {
  using F = detail::pass_t<T, E>;
  auto row = detail::with_numbers(e.template erased<S>());
  for (index_t r = 0; r < y.rows(); ++r) {
    detail::reduce_operands(cpu, row, r);
    for (index_t c = 0; c < S::cols; ++c) y(r, c) = static_cast<T>(row.eval(detail::as_stored<T>(ScalarAt<F>{r, c})));
    finish(y.row(r), 1);
  }
}
/// Xsimd without the header of its loop.
template <class T, class S, index_t R, index_t O, class E, class Finish>
void assign_rows(const FastCpu&, View<T, S, Host, R, O>, const E&, const Finish&) {
  static_assert(detail::never<E>,
                "molmo: Xsimd has fast row reductions in <molmo/backend/xsimd_rows.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

/// The meaning of on(ctx, y) = sum(e), max_of(e), min_of(e): y[r] = row r of e, combined.
template <class R, class T, class S, class E>
void reduce_rows(const Reference& cpu, R r, View<T, S> y, const E& e) {
  const auto flat = e.template erased<typename E::shape>();
  for (index_t row = 0; row < y.size(); ++row)
    y.data[row] = static_cast<T>(reduce_row(cpu, r, flat, row, E::shape::cols));
}

namespace detail {

// A reduction alone, of one pass: the statement reduce_rows.
template <class E>
inline constexpr bool is_lone_reduction = false;
template <OnePass R, class E>
inline constexpr bool is_lone_reduction<RowReduction<R, E>> = !has_row_reduction<E>();

template <class Ctx, class Y, class E>
void assign_by_rows(const Ctx& ctx, const Y& y, const E& e) {
  using S = typename Y::shape;
  using T = typename Y::element;
  if constexpr (is_row_reduction<E> && S::rank == 1 && !S::dynamic &&
                std::is_same_v<typename E::shape, Shape<S::cols, 1>>) {
    assign_by_rows(ctx, View<T, Shape<S::cols, 1>, typename Y::memory>(y.data), e);  // static rows into a plain row
  } else if constexpr (!std::is_same_v<broadcast_t<typename E::shape, S>, S>) {
    [[maybe_unused]] assign_mismatch<S, typename E::shape> wrong;
  } else {
    using Kept = Storable<T, kind_of<E>>;
    static_assert(Kept::no_truth_as_number,
                  "molmo: on(ctx, y) = e: e is true or false and y holds numbers; write where(e, 1, 0)");
    static_assert(Kept::no_number_as_truth,
                  "molmo: on(ctx, y) = e: y holds true or false and e is numbers; write e != 0");
    static_assert(Kept::no_integer_as_real && Kept::no_real_as_integer,
                  "molmo: on(ctx, y) = e: one of e and y is integers and the other reals; write cast<float>(e) or "
                  "cast<std::int32_t>(e), which truncates");
    static_assert(row_local<E>(),
                  "molmo: on(ctx, y) = e reads and writes row by row; e moves indices, so store it first");
    check_no_acc<E>();
    check_pass(y, e);
    if constexpr (is_lone_reduction<E> && std::is_same_v<S, typename E::shape> && Y::dense)
      reduce_rows(ctx, typename E::reduction{}, y, e.a);
    else
      assign_rows(ctx, y, e, Stored{});
  }
}

template <class R, class X>
constexpr auto reduce_each_row(const X& x) {
  check_no_acc<X>();
  static_assert(of_reals<X>,
                "molmo: this is of real numbers; of integers and of true and false write it of cast<float>(e)");
  return RowReduction<R, X>{x};
}

}  // namespace detail

template <class R, class E>
inline constexpr bool enable_expr<detail::RowReduction<R, E>> = true;
template <class R, class E>
inline constexpr AccUse acc_use<detail::RowReduction<R, E>> = acc_use<E>;

inline namespace MOLMO_ISA {

/// The sum of each row.
template <Shaped X>
[[nodiscard]] constexpr auto sum(X&& x) {
  return detail::reduce_each_row<SumOf>(leaf(std::forward<X>(x)));
}
/// The mean of each row.
template <Shaped X>
[[nodiscard]] constexpr auto mean(X&& x) {
  return detail::reduce_each_row<MeanOf>(leaf(std::forward<X>(x)));
}
/// The largest element of each row, NaN where one is NaN.
template <Shaped X>
[[nodiscard]] constexpr auto max_of(X&& x) {
  return detail::reduce_each_row<MaxOf>(leaf(std::forward<X>(x)));
}
/// The smallest element of each row, NaN where one is NaN.
template <Shaped X>
[[nodiscard]] constexpr auto min_of(X&& x) {
  return detail::reduce_each_row<MinOf>(leaf(std::forward<X>(x)));
}
/// The population variance of each row: the mean squared distance from its mean, found in two passes and corrected.
template <Shaped X>
[[nodiscard]] constexpr auto variance(X&& x) {
  return detail::reduce_each_row<VarianceOf>(leaf(std::forward<X>(x)));
}
/// log(sum of e^x) of each row, without overflow; -infinity where all elements are.
template <Shaped X>
[[nodiscard]] constexpr auto log_sum_exp(X&& x) {
  return detail::reduce_each_row<LogSumExpOf>(leaf(std::forward<X>(x)));
}
/// Whether an element of each row is not 0 (NaN is not), or true.
template <Shaped X>
[[nodiscard]] constexpr auto any(X&& x) {
  return detail::reduce_each_row<AnyOf>(detail::as_reals(leaf(std::forward<X>(x))));
}
/// Whether no element of each row is 0, or false.
template <Shaped X>
[[nodiscard]] constexpr auto all(X&& x) {
  return detail::reduce_each_row<AllOf>(detail::as_reals(leaf(std::forward<X>(x))));
}
/// Other names of sum(x) and max_of(x).
template <Shaped X>
[[nodiscard]] constexpr auto row_sum(X&& x) {
  return detail::reduce_each_row<SumOf>(leaf(std::forward<X>(x)));
}
template <Shaped X>
[[nodiscard]] constexpr auto row_max(X&& x) {
  return detail::reduce_each_row<MaxOf>(leaf(std::forward<X>(x)));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
