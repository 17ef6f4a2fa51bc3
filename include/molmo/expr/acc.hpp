// SPDX-License-Identifier: Apache-2.0
// acc: in matmul(x, w).then(e), the element that the matmul is about to store. Where two products of one x meet in one
// expression, acc0 is that of the first and acc1 that of the second.
//
//   on(cpu, y) = matmul(x, w).then(silu(acc + bias));
//   on(cpu, h) = matmul(x, gate, up).then(silu(acc0) * acc1);
// They have values there and nowhere else, and an epilogue without them would lose the product: acc_use<E> tells, and
// both mistakes are refused while compiling. with_acc puts something else in their places.
#pragma once

#include <molmo/expr/concepts.hpp>

namespace molmo::inline v0 {

/// In matmul(x, w).then(...): the element that the matmul is about to store.
struct Acc {
  using shape = Shape<>;
  static constexpr bool pointwise = true;

  [[nodiscard]] MOLMO_HD static constexpr index_t tokens() { return -1; }
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    return at.acc;
  }
  template <class Root>
  [[nodiscard]] constexpr Acc erased() const {
    return {};
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

/// In matmul(x, w0, w1, ...).then(...): the element of one of the products. It has no eval: the statement puts
/// something in its place before a kernel sees the expression.
template <int Number>
struct AccOf {
  using shape = Shape<>;
  static constexpr bool pointwise = true;

  [[nodiscard]] MOLMO_HD static constexpr index_t tokens() { return -1; }
  template <class Root>
  [[nodiscard]] constexpr AccOf erased() const {
    return {};
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

inline constexpr Acc acc{};
inline constexpr AccOf<0> acc0{};
inline constexpr AccOf<1> acc1{};
inline constexpr AccOf<2> acc2{};
inline constexpr AccOf<3> acc3{};

template <>
inline constexpr bool enable_expr<Acc> = true;
template <int Number>
inline constexpr bool enable_expr<AccOf<Number>> = true;

/// Whether an expression reads `acc`. Of expressions of your own it is unknown, unless you specialise acc_use for them.
enum class AccUse : unsigned char { no, unknown, yes };
template <class E>
inline constexpr AccUse acc_use = AccUse::unknown;
template <>
inline constexpr AccUse acc_use<Acc> = AccUse::yes;
template <int Number>
inline constexpr AccUse acc_use<AccOf<Number>> = AccUse::yes;

namespace detail {

template <class E>
inline constexpr bool is_acc = false;
template <>
inline constexpr bool is_acc<Acc> = true;
template <int Number>
inline constexpr bool is_acc<AccOf<Number>> = true;

template <class... E>
inline constexpr AccUse acc_use_of_all = [] {
  AccUse use = AccUse::no;
  ((use = acc_use<E> > use ? acc_use<E> : use), ...);
  return use;
}();

/// e with put(a) in the place of every a that is acc, acc0, acc1, ... Expressions of your own, of which nothing is
/// known, stay as they are; a put that has unknown() hears of them.
template <class E, class Put>
constexpr auto with_acc(const E& e, const Put& put) {
  if constexpr (is_acc<E>) {
    return put(e);
  } else if constexpr (acc_use<E> == AccUse::yes) {
    return e.with_acc(put);
  } else {
    if constexpr (acc_use<E> == AccUse::unknown && requires { put.unknown(); }) put.unknown();
    return e;
  }
}

template <class E>
constexpr void check_no_acc() {
  static_assert(acc_use<E> != AccUse::yes,
                "molmo: acc is what a matmul is about to store; it has a value in matmul(x, w).then(...) only");
}

}  // namespace detail

}  // namespace molmo::inline v0
