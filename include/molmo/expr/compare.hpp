// SPDX-License-Identifier: Apache-2.0
// Conditions: < <= > >= == != of operands, and && || ! of conditions. A condition is an expression whose elements are
// true or false: where(c, a, b) chooses by it, on(cpu, flags) = x < y stores it in a tensor of bool.
//
//   on(cpu, y) = where(x > 0 && row_flags, x, 0.1f * x);
// Reals compare as C++ compares them: with NaN everything is false but !=. Integers compare exactly, in 64 bits. Both
// sides of && and || are calculated: expressions have no effects, so nothing depends on it. A number beside floats is
// rounded to float first, as in every pass in float.
#pragma once

#include <molmo/expr/pointwise.hpp>

namespace molmo::inline v0 {
namespace detail {

// a > b is b < a, and a >= b is b <= a.
struct less_f {
  static constexpr const char* name = "<";
  static constexpr Takes takes = Takes::numbers;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a, const V& b) const {
    return a < b;
  }
};
struct at_most_f {
  static constexpr const char* name = "<=";
  static constexpr Takes takes = Takes::numbers;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a, const V& b) const {
    return a <= b;
  }
};
struct equal_f {
  static constexpr const char* name = "==";
  static constexpr Takes takes = Takes::any;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a, const V& b) const {
    return a == b;
  }
};
struct unequal_f {
  static constexpr const char* name = "!=";
  static constexpr Takes takes = Takes::any;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a, const V& b) const {
    return a != b;
  }
};
struct and_f {
  static constexpr const char* name = "&&";
  static constexpr Takes takes = Takes::truth;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a, const V& b) const {
    return a && b;
  }
};
struct or_f {
  static constexpr const char* name = "||";
  static constexpr Takes takes = Takes::truth;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a, const V& b) const {
    return a || b;
  }
};
struct not_f {
  static constexpr const char* name = "!";
  static constexpr Takes takes = Takes::truth;
  static constexpr NumberKind result = NumberKind::boolean;
  template <class V>
  MOLMO_INLINE auto operator()(const V& a) const {
    return !a;
  }
};

}  // namespace detail

/// true or false, the same at every position: what a C++ bool is beside conditions.
struct Truth {
  using shape = Shape<>;
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = NumberKind::boolean;
  bool value = false;

  [[nodiscard]] MOLMO_HD static constexpr index_t tokens() { return -1; }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    return at.truth(value);
  }
  template <class Root>
  [[nodiscard]] constexpr Truth erased() const {
    return *this;
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};
template <>
inline constexpr bool enable_expr<Truth> = true;
template <>
inline constexpr AccUse acc_use<Truth> = AccUse::no;

namespace detail {

// An operand that stands beside conditions: a C++ bool is true or false there, not 1 or 0.
template <class E>
[[nodiscard]] constexpr auto as_condition(const E& e) {
  if constexpr (std::is_same_v<E, Scalar<bool>>)
    return Truth{e.value};
  else
    return e;
}
template <class F, class A, class B>
[[nodiscard]] constexpr auto compare(const A& a, const B& b) {
  if constexpr (kind_of<A> == NumberKind::boolean || kind_of<B> == NumberKind::boolean)
    return combine<F>(as_condition(a), as_condition(b));
  else
    return combine<F>(a, b);
}

}  // namespace detail

inline namespace MOLMO_ISA {

template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator<(A&& a, B&& b) {
  return detail::combine<detail::less_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator<=(A&& a, B&& b) {
  return detail::combine<detail::at_most_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator>(A&& a, B&& b) {
  return detail::combine<detail::less_f>(leaf(std::forward<B>(b)), leaf(std::forward<A>(a)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator>=(A&& a, B&& b) {
  return detail::combine<detail::at_most_f>(leaf(std::forward<B>(b)), leaf(std::forward<A>(a)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator==(A&& a, B&& b) {
  return detail::compare<detail::equal_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator!=(A&& a, B&& b) {
  return detail::compare<detail::unequal_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
/// Both hold.
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator&&(A&& a, B&& b) {
  return detail::combine<detail::and_f>(detail::as_condition(leaf(std::forward<A>(a))),
                                        detail::as_condition(leaf(std::forward<B>(b))));
}
/// At least one holds.
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator||(A&& a, B&& b) {
  return detail::combine<detail::or_f>(detail::as_condition(leaf(std::forward<A>(a))),
                                       detail::as_condition(leaf(std::forward<B>(b))));
}
/// It does not hold.
template <Shaped A>
[[nodiscard]] constexpr auto operator!(A&& a) {
  return detail::map<detail::not_f>(leaf(std::forward<A>(a)));
}

// A statement (softmax, argmax, matmul, ...) is no operand here either (pointwise.hpp).
template <Statement S, class B>
void operator<(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator<(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator<=(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator<=(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator>(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator>(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator>=(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator>=(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator==(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator==(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator!=(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator!=(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator&&(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator&&(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S, class B>
void operator||(const S& a_statement_stands_alone_store_it_first, B&& b) = delete;
template <Operand A, Statement S>
void operator||(A&& a, const S& a_statement_stands_alone_store_it_first) = delete;
template <Statement S>
void operator!(const S& a_statement_stands_alone_store_it_first) = delete;

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
