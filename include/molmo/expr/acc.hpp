// SPDX-License-Identifier: Apache-2.0
// acc: in matmul(x, w).then(e), the element that the matmul is about to store.
//
//   on(cpu, y) = matmul(x, w).then(silu(acc + bias));
// It has a value there and nowhere else, and an epilogue without it would lose the product: acc_use<E> tells, and both
// mistakes are refused while compiling. with_acc puts one expression in its place in another.
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

inline constexpr Acc acc{};

template <>
inline constexpr bool enable_expr<Acc> = true;

/// Whether an expression reads `acc`. Of expressions of your own it is unknown, unless you specialise acc_use for them.
enum class AccUse : unsigned char { no, unknown, yes };
template <class E>
inline constexpr AccUse acc_use = AccUse::unknown;
template <>
inline constexpr AccUse acc_use<Acc> = AccUse::yes;

namespace detail {

template <class... E>
inline constexpr AccUse acc_use_of_all = [] {
  AccUse use = AccUse::no;
  ((use = acc_use<E> > use ? acc_use<E> : use), ...);
  return use;
}();

/// e with `a` in the place of acc.
template <class E, class A>
constexpr auto with_acc(const E& e, const A& a) {
  static_assert(acc_use<E> != AccUse::unknown,
                "molmo: .then(a).then(b): it is not known whether your own expression in b reads acc; specialise "
                "molmo::acc_use for it, or write one .then(...)");
  if constexpr (std::is_same_v<E, Acc>)
    return a;
  else if constexpr (acc_use<E> == AccUse::yes)
    return e.with_acc(a);
  else
    return e;
}

template <class E>
constexpr void check_no_acc() {
  static_assert(acc_use<E> != AccUse::yes,
                "molmo: acc is what a matmul is about to store; it has a value in matmul(x, w).then(...) only");
}

}  // namespace detail

}  // namespace molmo::inline v0
