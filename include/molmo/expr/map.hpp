// SPDX-License-Identifier: Apache-2.0
// map(f, x, ...): a pointwise function of your own on one to three operands.
//
//   on(cpu, y) = map([r](auto v) { return constant<decltype(v)>(r) * v * (constant<decltype(v)>(1) - v); }, x);
// f is called with numbers and with registers. What it holds or captures travels with the expression (expr/held.hpp).
// With a member `pull` it has a gradient (expr/gradient.hpp), with a static member `name` a name in formulas.
#pragma once

#include <molmo/expr/held.hpp>
#include <molmo/expr/pointwise.hpp>
#include <molmo/expr/scalar.hpp>

namespace molmo::inline v0 {
namespace detail {

template <class F>
inline constexpr bool has_state = !(std::is_empty_v<F> && std::is_default_constructible_v<F>);

/// The node of a user's function f for one to three operands.
template <class F, class First, class... Rest>
constexpr auto map_function(const F& f, const First& first, const Rest&... rest) {
  static_assert(std::is_class_v<F>,
                "molmo: map(f, x): f is a function object or a generic lambda, called with numbers and SIMD registers "
                "alike");
  if constexpr (has_state<F>) {
    static_assert(std::is_trivially_copyable_v<F>,
                  "molmo: map(f, x): what f holds is copied like a number; let it hold numbers, pointers and views "
                  "only");
    const Held<F, First> held{FunctionOrNothing<F>(f), first};
    if constexpr (sizeof...(Rest) == 0)
      return map<call_f>(held);
    else
      return combine<call_f>(held, rest...);
  } else if constexpr (sizeof...(Rest) == 0) {
    return map<F>(first);
  } else {
    return combine<F>(first, rest...);
  }
}

}  // namespace detail

inline namespace MOLMO_ISA {

/// A pointwise function of your own: F has `template <class V> MOLMO_INLINE V operator()(V x, ...) const`, written with
/// + - * /, constant<V>(c) and the functions of molmo::scalar; it runs on numbers and on registers. One to three
/// operands. A generic lambda will do, and f keeps what it holds or captures.
template <class F, class... X>
  requires(sizeof...(X) >= 1 && sizeof...(X) <= 3 && (Operand<X> && ...) && (Shaped<X> || ...))
[[nodiscard]] constexpr auto map(F f, X&&... x MOLMO_LIFETIMEBOUND) {
  return detail::map_function(f, leaf(std::forward<X>(x))...);
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
