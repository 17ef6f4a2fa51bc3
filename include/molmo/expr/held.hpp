// SPDX-License-Identifier: Apache-2.0
// A function with a state of its own, inside an expression: what map(f, x, ...) makes of an f that is more than a type.
//
//   map([scale](auto v) { return v * constant<decltype(v)>(scale); }, x)     is  Map1<call_f, Held<F, X>>
// Held travels as the first operand and hands the function on with the operand's value, so the nodes of functions
// without state (all of the library's) stay as they are and carry nothing.
#pragma once

#include <molmo/expr/acc.hpp>

namespace molmo::inline v0 {
namespace detail {

/// f and the value of its first operand at one position.
template <class F, class V>
struct Call {
  const F& f;
  V first;
};

struct call_f {
  template <class F, class V, class... Rest>
  MOLMO_INLINE V operator()(const Call<F, V>& call, Rest... rest) const {
    return call.f(call.first, rest...);
  }
  // The adjoint is that of f: pull(g, y, x..., dx...).
  template <class V, class F, class... More>
    requires requires(const Call<F, V>& call, V g, More&... more) { call.f.pull(g, g, g, more...); }
  MOLMO_INLINE void pull(V g, V y, const Call<F, V>& call, More&... more) const {
    call.f.pull(g, y, call.first, more...);
  }
};

/// F, or nothing: an expression can be made without operands (concepts.hpp), a lambda with captures cannot.
template <class F>
union FunctionOrNothing {
  char nothing = 0;
  F f;

  constexpr FunctionOrNothing() : nothing(0) {}
  constexpr explicit FunctionOrNothing(const F& function) : f(function) {}
};

/// A function with a state, and its first operand.
template <class F, class A>
struct Held {
  using shape = typename A::shape;
  static constexpr bool pointwise = A::pointwise;
  FunctionOrNothing<F> function;
  A a;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return a.tokens(); }
  template <class At>
  MOLMO_INLINE Call<F, typename At::value> eval(const At& at) const {
    return {function.f, a.eval(at)};
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    const auto operand = a.template erased<Root>();
    return Held<F, std::remove_const_t<decltype(operand)>>{function, operand};
  }
  template <class Value>
  [[nodiscard]] constexpr auto with_acc(const Value& value) const {
    const auto operand = detail::with_acc(a, value);
    return Held<F, std::remove_const_t<decltype(operand)>>{function, operand};
  }
  template <class G>
  constexpr void each_leaf(G&& g) const {
    a.each_leaf(g);
  }
};

}  // namespace detail

template <class F, class A>
inline constexpr bool enable_expr<detail::Held<F, A>> = true;
template <class F, class A>
inline constexpr AccUse acc_use<detail::Held<F, A>> = acc_use<A>;

}  // namespace molmo::inline v0
