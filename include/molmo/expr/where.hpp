// SPDX-License-Identifier: Apache-2.0
// where(c, a, b): a where the condition c holds, b elsewhere.
//
//   on(cpu, y) = where(column_index <= row_index, scores, -INFINITY);      a causal mask
//   on(cpu, y) = where(x == x, x, 0);                                      NaN becomes 0
// Both are calculated and one is chosen, by one blend of registers: a NaN in the one that is not taken is not seen.
// c, a and b broadcast as the operands of + do. a and b are of one kind: reals, integers, or true and false.
#pragma once

#include <molmo/expr/compare.hpp>
#include <molmo/expr/scalar.hpp>

namespace molmo::inline v0 {
namespace scalar::inline MOLMO_ISA {

template <class V>
  requires std::is_arithmetic_v<V>
MOLMO_INLINE V select(bool c, V a, V b) {
  return c ? a : b;
}

}  // namespace scalar::inline MOLMO_ISA

namespace detail {

using scalar::select;

struct where_f {
  static constexpr Takes takes = Takes::selection;
  static constexpr const char* name = "where";
  template <class C, class V>
  MOLMO_INLINE V operator()(const C& c, const V& a, const V& b) const {
    return select(c, a, b);
  }
  template <class C, class V, class DC, class DA, class DB>
  MOLMO_INLINE void pull(V g, V, const C& c, V, V, DC&, DA& da, DB& db) const {
    const V zero = constant<V>(0);
    da = select(c, g, zero);
    db = select(c, zero, g);
  }
};

template <class C, class A, class B>
[[nodiscard]] constexpr auto choose(const C& c, const A& a, const B& b) {
  if constexpr (kind_of<A> == NumberKind::boolean || kind_of<B> == NumberKind::boolean)
    return combine<where_f>(as_condition(c), as_condition(a), as_condition(b));
  else
    return combine<where_f>(as_condition(c), a, b);
}

}  // namespace detail

inline namespace MOLMO_ISA {

/// a where c holds, b elsewhere.
template <class C, class A, class B>
  requires(Operand<C> && Operand<A> && Operand<B> && (Shaped<C> || Shaped<A> || Shaped<B>))
[[nodiscard]] constexpr auto where(C&& c, A&& a, B&& b) {
  return detail::choose(leaf(std::forward<C>(c)), leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
