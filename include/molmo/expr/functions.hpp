// SPDX-License-Identifier: Apache-2.0
// The functions of mathematics on expressions. Here: sqrt rsqrt reciprocal square, max min clamp. Included:
//
//   exponentials.hpp   exp exp2 expm1 log log1p pow tanh erf        trigonometry.hpp   sin cos
//   rounding.hpp       abs sign floor ceil round                    map.hpp            your own
// Activations (silu, gelu, softplus, ...) are in activations.hpp. Each function is a struct of three things: `name`,
// for formula(e); operator(), one body for numbers and registers alike (scalar.hpp); and its adjoint, pull(g, y, x...,
// dx...): given the gradient g of the result y, the gradient dx of each operand x. Where a function has no derivative,
// pull gives what PyTorch gives; the struct says what that is.
#pragma once

#include <molmo/expr/exponentials.hpp>
#include <molmo/expr/rounding.hpp>
#include <molmo/expr/trigonometry.hpp>

namespace molmo::inline v0 {
namespace detail {

struct sqrt_f {
  static constexpr const char* name = "sqrt";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return sqrt(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g / (y + y);
  }
};
struct rsqrt_f {
  static constexpr const char* name = "rsqrt";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(1) / sqrt(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g * constant<V>(-0.5) * y * (y * y);
  }
};
struct reciprocal_f {
  static constexpr const char* name = "reciprocal";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(1) / x;
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = -(g * (y * y));
  }
};
struct square_f {
  static constexpr const char* name = "square";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return x * x;
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g * (x + x);
  }
};
// larger and smaller return the second argument when either is NaN, so relu(NaN) = larger(0, NaN) = NaN.
// Where both operands are equal, or one is NaN, each gets half of the gradient.
struct max_f {
  static constexpr const char* name = "max";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return larger(a, b);
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V, V a, V b, A& da, B& db) const {
    const V zero = constant<V>(0), half = g * constant<V>(0.5);
    da = select_less(b, a, g, select_less(a, b, zero, half));
    db = select_less(a, b, g, select_less(b, a, zero, half));
  }
};
struct min_f {
  static constexpr const char* name = "min";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return smaller(a, b);
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V, V a, V b, A& da, B& db) const {
    const V zero = constant<V>(0), half = g * constant<V>(0.5);
    da = select_less(a, b, g, select_less(b, a, zero, half));
    db = select_less(b, a, g, select_less(a, b, zero, half));
  }
};
// At the bounds the gradient passes.
struct clamp_f {
  static constexpr const char* name = "clamp";
  template <class V>
  MOLMO_INLINE V operator()(V x, V low, V high) const {
    return smaller(high, larger(low, x));
  }
  template <class V, class D, class Low, class High>
  MOLMO_INLINE void pull(V g, V, V x, V low, V high, D& dx, Low& dlow, High& dhigh) const {
    const V zero = constant<V>(0);
    dx = select_less(x, low, zero, select_less(high, x, zero, g));
    dlow = select_less(x, low, g, zero);
    dhigh = select_less(high, x, g, zero);
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

template <Shaped A>
[[nodiscard]] constexpr auto sqrt(A&& a) {
  return detail::map<detail::sqrt_f>(leaf(std::forward<A>(a)));
}
/// 1 / sqrt(x).
template <Shaped A>
[[nodiscard]] constexpr auto rsqrt(A&& a) {
  return detail::map<detail::rsqrt_f>(leaf(std::forward<A>(a)));
}
/// 1 / x.
template <Shaped A>
[[nodiscard]] constexpr auto reciprocal(A&& a) {
  return detail::map<detail::reciprocal_f>(leaf(std::forward<A>(a)));
}
/// x * x.
template <Shaped A>
[[nodiscard]] constexpr auto square(A&& a) {
  return detail::map<detail::square_f>(leaf(std::forward<A>(a)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto(max)(A&& a, B&& b) {
  return detail::combine<detail::max_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto(min)(A&& a, B&& b) {
  return detail::combine<detail::min_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
/// x held inside [low, high].
template <Shaped A>
[[nodiscard]] constexpr auto clamp(A&& a, double low, double high) {
  return detail::map<detail::clamp_f>(leaf(std::forward<A>(a)), Scalar<double>{low}, Scalar<double>{high});
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
