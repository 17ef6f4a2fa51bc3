// SPDX-License-Identifier: Apache-2.0
// How an expression with row reductions is calculated: the numbers of each reduction, filled in row by row.
//
//   x * rsqrt(mean(x * x) + eps)     erased()       ->  x * rsqrt(OpenRow + eps)
//                                    with_numbers   ->  x * RowConstant(rsqrt(RowNumber + eps))
// Every thread has a copy of the expression with numbers. Before a row is stored, reduce_operands runs the passes over
// that row and calculates, once and in double, what is the same for all of its columns; what is left for the loop over
// the columns is x times a number in a register.
#pragma once

#include <molmo/expr/reduce_row.hpp>
#include <molmo/expr/row_local.hpp>

namespace molmo::inline v0::detail {

/// A reduction inside a kernel, before its number is known. `a` is the erased operand, `cols` its width; `of` says
/// which of its rows belongs to a row of the walk.
template <class R, class E>
struct OpenRow {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = false;
  static constexpr NumberKind kind = kind_of_reduction<R>;
  E a;
  index_t cols;
  RowPlaces of;

  template <class At>
  MOLMO_INLINE value_t<kind, At> eval(const At&) const {
    static_assert(never<At>,
                  "molmo: sum(e), mean(e), ... of rows have a value in on(ctx, y) = e and in reductions only; store "
                  "them first: on(ctx, s) = mean(e), then use s");
    return {};
  }
};

/// A reduction and its number for the row that is being calculated.
template <class R, class E>
struct RowNumber {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = false;
  static constexpr NumberKind kind = kind_of_reduction<R>;
  E a;
  index_t cols;
  RowPlaces of;
  index_t row = -1;  ///< of a, whose number this is
  double value = 0;
  float rounded = 0;

  template <class At>
  MOLMO_INLINE value_t<kind, At> eval(const At& at) const {
    if constexpr (kind == NumberKind::boolean)
      return at.truth(value != 0);
    else if constexpr (std::is_same_v<typename At::value, double>)
      return value;
    else
      return at.splat(rounded);
  }
};

template <class R, class E>
inline constexpr bool is_row_reduction<OpenRow<R, E>> = true;
template <class R, class E>
inline constexpr bool is_row_reduction<RowNumber<R, E>> = true;

/// A part of e that is the same for a whole row, rsqrt(mean(x * x) + eps): calculated once per row, in double.
template <class E>
struct RowConstant {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = false;
  E a;
  double value = 0;
  float rounded = 0;

  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    if constexpr (std::is_same_v<typename At::value, double>)
      return value;
    else
      return at.splat(rounded);
  }
};

// True where an erased expression has one value for all columns of a row, a real one: a RowConstant is rounded to
// float, which literals beside integers must not be.
template <class E>
inline constexpr bool is_row_constant = false;
template <class T>
inline constexpr bool is_row_constant<Scalar<T>> = true;
template <class T>
inline constexpr bool is_row_constant<Strided<T, Spread::column>> = true;
template <class T>
inline constexpr bool is_row_constant<Placed<T, true, false>> = true;
template <class R, class E>
inline constexpr bool is_row_constant<OpenRow<R, E>> = true;
template <class F, class A>
inline constexpr bool is_row_constant<Held<F, A>> = is_row_constant<A>;
template <class F, class A>
inline constexpr bool is_row_constant<Map1<F, A>> = is_row_constant<A> && kind_of<Map1<F, A>> == NumberKind::real;
template <class F, class A, class B>
inline constexpr bool is_row_constant<Map2<F, A, B>> =
    is_row_constant<A> && is_row_constant<B> && kind_of<Map2<F, A, B>> == NumberKind::real;
template <class F, class A, class B, class C>
inline constexpr bool is_row_constant<Map3<F, A, B, C>> =
    is_row_constant<A> && is_row_constant<B> && is_row_constant<C> && kind_of<Map3<F, A, B, C>> == NumberKind::real;

/// What with_numbers puts in the place of a node: a RowNumber, and where Fold a RowConstant for the largest constant
/// parts. Nodes of your own stay, and with them the error in OpenRow.
template <bool Fold, class E>
struct Opened {
  static constexpr E of(const E& e) { return e; }
};

template <bool Fold, class E>
constexpr auto open(const E& e) {
  return Opened<Fold, E>::of(e);
}
template <bool Fold, class R, class E>
struct Opened<Fold, OpenRow<R, E>> {
  static constexpr auto of(const OpenRow<R, E>& e) {
    const auto a = open<true>(e.a);
    return RowNumber<R, std::remove_const_t<decltype(a)>>{a, e.cols, e.of};
  }
};
template <bool Fold, class F, class A>
struct Opened<Fold, Held<F, A>> {
  static constexpr auto of(const Held<F, A>& e) {
    const auto a = open<Fold>(e.a);
    return Held<F, std::remove_const_t<decltype(a)>>{e.function, a};
  }
};
template <class E>
constexpr auto row_constant(const E& e) {
  return RowConstant<E>{e};
}
template <bool Fold, class F, class A>
struct Opened<Fold, Map1<F, A>> {
  static constexpr auto of(const Map1<F, A>& e) {
    if constexpr (Fold && is_row_constant<Map1<F, A>>)
      return row_constant(open<false>(e));
    else
      return map<F>(open<Fold>(e.a));
  }
};
template <bool Fold, class F, class A, class B>
struct Opened<Fold, Map2<F, A, B>> {
  static constexpr auto of(const Map2<F, A, B>& e) {
    if constexpr (Fold && is_row_constant<Map2<F, A, B>>)
      return row_constant(open<false>(e));
    else
      return map<F>(open<Fold>(e.a), open<Fold>(e.b));
  }
};
template <bool Fold, class F, class A, class B, class C>
struct Opened<Fold, Map3<F, A, B, C>> {
  static constexpr auto of(const Map3<F, A, B, C>& e) {
    if constexpr (Fold && is_row_constant<Map3<F, A, B, C>>)
      return row_constant(open<false>(e));
    else
      return map<F>(open<Fold>(e.a), open<Fold>(e.b), open<Fold>(e.c));
  }
};

// The erased expression, ready to be filled with numbers row by row.
template <class E>
constexpr auto with_numbers(const E& e) {
  return open<true>(e);
}

// All numbers in e for row `row` of the walk.
template <class Ctx, class E>
MOLMO_HD void reduce_operands(const Ctx& ctx, E& e, index_t row) {
  if constexpr (requires { e.a; }) reduce_operands(ctx, e.a, row);
  if constexpr (requires { e.b; }) reduce_operands(ctx, e.b, row);
  if constexpr (requires { e.c; }) reduce_operands(ctx, e.c, row);
}
template <class Ctx, class R, class E>
MOLMO_HD void reduce_operands(const Ctx& ctx, RowNumber<R, E>& e, index_t row) {
  const RowPlaces& of = e.of;
  const index_t own = of.group == 1 ? row * of.outer : row / of.group * of.outer + row % of.group * of.inner;
  if (own == e.row) return;
  e.row = own;
  reduce_operands(ctx, e.a, own);
  e.value = reduce_by<R>(e.cols, RowPasses<Ctx, E>{ctx, e.a, own, e.cols});
  e.rounded = static_cast<float>(e.value);
}
template <class Ctx, class E>
MOLMO_HD void reduce_operands(const Ctx& ctx, RowConstant<E>& e, index_t row) {
  reduce_operands(ctx, e.a, row);
  e.value = e.a.eval(ScalarAt<double>{row, 0});
  e.rounded = static_cast<float>(e.value);
}

// Elements that one row of e costs beside the row that is stored.
template <class E>
index_t reduced_columns(const E& e) {
  index_t cols = 0;
  if constexpr (is_row_reduction<E>) cols += e.cols;
  if constexpr (requires { e.a; }) cols += reduced_columns(e.a);
  if constexpr (requires { e.b; }) cols += reduced_columns(e.b);
  if constexpr (requires { e.c; }) cols += reduced_columns(e.c);
  return cols;
}

}  // namespace molmo::inline v0::detail
