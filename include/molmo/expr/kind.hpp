// SPDX-License-Identifier: Apache-2.0
// NumberKind: whether the values of an expression are reals, integers or truth (bool), and what may stand beside what.
//
//   x * 2         real        ids + 1     integer       x < 2, flags     boolean
//   2             literal: real beside reals, integer beside integers
// Each operand is read at a position of its kind: an integer part of a real expression (in cast<float>(ids), or in
// ids == 3) is calculated in 64-bit integers, a real part of an integer expression in reals. So no integer passes
// through a float where nobody wrote cast<float>, and an integer beside a real is one sentence of the compiler.
#pragma once

#include <molmo/expr/integer_position.hpp>

#include <utility>

namespace molmo::inline v0 {

/// What the values of an expression are.
enum class NumberKind : unsigned char {
  literal,  ///< a number written in C++ without a decimal point: takes the kind of what stands beside it
  real,
  integer,
  boolean,  ///< true or false
};

/// The kind of elements of type T.
template <class T>
inline constexpr NumberKind kind_of_element = std::is_same_v<T, bool> ? NumberKind::boolean
                                              : is_integer<T>         ? NumberKind::integer
                                                                      : NumberKind::real;

namespace detail {

template <class E>
constexpr NumberKind find_kind() {
  if constexpr (requires { E::kind; })
    return E::kind;
  else
    return NumberKind::real;
}

}  // namespace detail

/// The kind of an expression: its member `kind`, real where it has none.
template <class E>
inline constexpr NumberKind kind_of = detail::find_kind<E>();

namespace detail {

/// What a function takes. A function of your own takes reals.
enum class Takes : unsigned char {
  reals,
  integers,
  numbers,    ///< reals or integers
  truth,      ///< true or false
  any,        ///< operands of one kind, whichever
  selection,  ///< truth, and two operands of one kind
};

template <class F>
constexpr Takes find_takes() {
  if constexpr (requires { F::takes; })
    return F::takes;
  else
    return Takes::reals;
}
template <class F>
inline constexpr Takes takes = find_takes<F>();

// The functions of expr/pointwise.hpp and expr/functions.hpp that integers have as well.
struct add_f;
struct sub_f;
struct mul_f;
struct div_f;
struct neg_f;
struct abs_f;
struct square_f;
struct max_f;
struct min_f;
template <>
inline constexpr Takes takes<add_f> = Takes::numbers;
template <>
inline constexpr Takes takes<sub_f> = Takes::numbers;
template <>
inline constexpr Takes takes<mul_f> = Takes::numbers;
template <>
inline constexpr Takes takes<div_f> = Takes::numbers;
template <>
inline constexpr Takes takes<neg_f> = Takes::numbers;
template <>
inline constexpr Takes takes<abs_f> = Takes::numbers;
template <>
inline constexpr Takes takes<square_f> = Takes::numbers;
template <>
inline constexpr Takes takes<max_f> = Takes::numbers;
template <>
inline constexpr Takes takes<min_f> = Takes::numbers;

/// What the kinds of the operands of F allow (the sentences are in pointwise.hpp), at which kind of position they are
/// read, and what F gives.
template <class F, NumberKind First, NumberKind... Rest>
struct Kinds {
  template <NumberKind K>
  static constexpr bool has = (takes<F> != Takes::selection && First == K) || ((Rest == K) || ...);
  static constexpr bool numbers = has<NumberKind::integer> || has<NumberKind::real> || has<NumberKind::literal>;

  static constexpr bool not_mixed = !(has<NumberKind::integer> && has<NumberKind::real>);
  static constexpr bool real_enough = takes<F> != Takes::reals || !has<NumberKind::integer>;
  static constexpr bool whole_enough = takes<F> != Takes::integers || !has<NumberKind::real>;
  static constexpr bool chosen_by_truth = takes<F> != Takes::selection || First == NumberKind::boolean;
  static constexpr bool joins_truth = takes<F> != Takes::truth || !numbers;
  static constexpr bool no_truth_as_number =
      !has<NumberKind::boolean> ||
      (!numbers && takes<F> != Takes::reals && takes<F> != Takes::integers && takes<F> != Takes::numbers);

  static constexpr NumberKind operands = has<NumberKind::real>      ? NumberKind::real
                                         : has<NumberKind::integer> ? NumberKind::integer
                                         : has<NumberKind::boolean> ? NumberKind::boolean
                                                                    : NumberKind::literal;
  static constexpr NumberKind result = [] {
    if constexpr (requires { F::result; })
      return F::result;
    else
      return operands;
  }();
};

template <class At>
inline constexpr bool is_integer_at = false;
template <class P>
inline constexpr bool is_integer_at<IntegerAt<P>> = true;

/// The same position for operands of kind K.
template <NumberKind K, class At>
MOLMO_INLINE decltype(auto) as(const At& at) {
  if constexpr (K == NumberKind::integer && !is_integer_at<At>)
    return IntegerAt<At>{at};
  else if constexpr (K == NumberKind::real && is_integer_at<At>)
    return static_cast<const typename At::real&>(at);
  else
    return (at);
}
/// The same position for what is stored as T.
template <class T, class At>
MOLMO_INLINE decltype(auto) as_stored(const At& at) {
  constexpr NumberKind kind = is_integer<T> ? NumberKind::integer : NumberKind::literal;
  return as<kind>(at);
}

/// What an expression of kind K gives at a position: a number or a register, Integers, a bool or a register's mask.
template <NumberKind K, class At>
struct ValueAt {
  using type = typename At::value;
};
template <class At>
struct ValueAt<NumberKind::integer, At> {
  using type = Integers<neighbours<typename At::value>()>;
};
template <class At>
struct ValueAt<NumberKind::boolean, At> {
  using type = decltype(std::declval<const At&>().truth(true));
};
template <NumberKind K, class At>
using value_t = typename ValueAt<K, At>::type;

/// What may be stored in elements of type T.
template <class T, NumberKind K>
struct Storable {
  static constexpr bool truth = std::is_same_v<T, bool>;
  static constexpr bool no_truth_as_number = K != NumberKind::boolean || truth;
  static constexpr bool no_number_as_truth = K == NumberKind::boolean || K == NumberKind::literal || !truth;
  static constexpr bool no_integer_as_real = K != NumberKind::integer || !is_real<T>;
  static constexpr bool no_real_as_integer = K != NumberKind::real || !is_integer<T>;
};

/// What a sum, a maximum or a matmul can read.
template <class E>
inline constexpr bool of_reals = kind_of<E> == NumberKind::real || kind_of<E> == NumberKind::literal;

}  // namespace detail

}  // namespace molmo::inline v0
