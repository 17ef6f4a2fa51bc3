// SPDX-License-Identifier: Apache-2.0
// The functions of transformer models on expressions: exp, tanh, sigmoid, rsqrt, ..., and the activations.
//
//   silu(x) = x / (1 + e^-x)                     gelu(x) = x/2 (1 + erf(x / sqrt 2))
//   gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))       quick_gelu(x) = x / (1 + e^(-1.702 x))
//   softcap(x, c) = c tanh(x / c)
// One body serves numbers and SIMD registers: the body calls exp, tanh, erf, ... and argument-dependent look-up finds
// those of the register type (backend/lanes.hpp). For float and double they are the standard library's: the oracle.
#pragma once

#include <molmo/expr/held.hpp>
#include <molmo/expr/pointwise.hpp>

#include <cmath>

namespace molmo::inline v0 {
namespace scalar::inline MOLMO_ISA {

// The standard functions under the names that the bodies below use.
MOLMO_HD inline float exp(float x) { return ::expf(x); }
MOLMO_HD inline double exp(double x) { return ::exp(x); }
MOLMO_HD inline float tanh(float x) { return ::tanhf(x); }
MOLMO_HD inline double tanh(double x) { return ::tanh(x); }
MOLMO_HD inline float erf(float x) { return ::erff(x); }
MOLMO_HD inline double erf(double x) { return ::erf(x); }
MOLMO_HD inline float sqrt(float x) { return ::sqrtf(x); }
MOLMO_HD inline double sqrt(double x) { return ::sqrt(x); }
MOLMO_HD inline float abs(float x) { return ::fabsf(x); }
MOLMO_HD inline double abs(double x) { return ::fabs(x); }
MOLMO_HD inline float larger(float a, float b) { return a > b ? a : b; }
MOLMO_HD inline double larger(double a, double b) { return a > b ? a : b; }
// NaN where either is: what a reduction needs, in which an element may not vanish.
MOLMO_HD inline float larger_or_nan(float a, float b) { return a > b || a != a ? a : b; }
MOLMO_HD inline double larger_or_nan(double a, double b) { return a > b || a != a ? a : b; }
MOLMO_HD inline float smaller(float a, float b) { return a < b ? a : b; }
MOLMO_HD inline double smaller(double a, double b) { return a < b ? a : b; }

}  // namespace scalar::inline MOLMO_ISA

/// A constant for the body of a pointwise function: a number or a register of it, whichever V is.
template <class V>
MOLMO_INLINE V constant(double c) {
  if constexpr (std::is_floating_point_v<V>)
    return static_cast<V>(c);
  else
    return V::broadcast(static_cast<float>(c));
}

namespace detail {

using scalar::abs;
using scalar::erf;
using scalar::exp;
using scalar::larger;
using scalar::smaller;
using scalar::sqrt;
using scalar::tanh;

struct exp_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return exp(x);
  }
};
struct tanh_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return tanh(x);
  }
};
struct erf_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return erf(x);
  }
};
struct sqrt_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return sqrt(x);
  }
};
struct rsqrt_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(1) / sqrt(x);
  }
};
struct abs_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return abs(x);
  }
};
struct square_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return x * x;
  }
};
// larger and smaller return the second argument when either is NaN, so relu(NaN) = larger(0, NaN) = NaN.
struct max_f {
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return larger(a, b);
  }
};
struct min_f {
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return smaller(a, b);
  }
};
struct clamp_f {
  template <class V>
  MOLMO_INLINE V operator()(V x, V low, V high) const {
    return smaller(high, larger(low, x));
  }
};
struct sigmoid_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(1) / (constant<V>(1) + exp(-x));
  }
};
struct silu_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return x / (constant<V>(1) + exp(-x));
  }
};
struct gelu_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(0.5) * x * (constant<V>(1) + erf(x * constant<V>(0.70710678118654752440)));
  }
};
struct gelu_tanh_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    const V inner = constant<V>(0.79788456080286535588) * (x + constant<V>(0.044715) * x * x * x);
    return constant<V>(0.5) * x * (constant<V>(1) + tanh(inner));
  }
};
struct quick_gelu_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return x / (constant<V>(1) + exp(constant<V>(-1.702) * x));
  }
};
struct relu_f {
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return larger(constant<V>(0), x);
  }
};
struct softcap_f {
  template <class V>
  MOLMO_INLINE V operator()(V x, V cap) const {
    return cap * tanh(x / cap);
  }
};

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
/// + - * /, constant<V>(c) and the functions below; it runs on numbers and on registers. One to three operands. A
/// generic lambda will do, and f keeps what it holds or captures.
template <class F, class... X>
  requires(sizeof...(X) >= 1 && sizeof...(X) <= 3 && (Operand<X> && ...) && (Shaped<X> || ...))
[[nodiscard]] constexpr auto map(F f, X&&... x MOLMO_LIFETIMEBOUND) {
  return detail::map_function(f, leaf(std::forward<X>(x))...);
}

template <Shaped A>
[[nodiscard]] constexpr auto exp(A&& a) {
  return detail::map<detail::exp_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto tanh(A&& a) {
  return detail::map<detail::tanh_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto erf(A&& a) {
  return detail::map<detail::erf_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto sqrt(A&& a) {
  return detail::map<detail::sqrt_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto rsqrt(A&& a) {
  return detail::map<detail::rsqrt_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto abs(A&& a) {
  return detail::map<detail::abs_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto square(A&& a) {
  return detail::map<detail::square_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto sigmoid(A&& a) {
  return detail::map<detail::sigmoid_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto silu(A&& a) {
  return detail::map<detail::silu_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto gelu(A&& a) {
  return detail::map<detail::gelu_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto gelu_tanh(A&& a) {
  return detail::map<detail::gelu_tanh_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto quick_gelu(A&& a) {
  return detail::map<detail::quick_gelu_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto relu(A&& a) {
  return detail::map<detail::relu_f>(leaf(std::forward<A>(a)));
}
/// Logits held inside (-cap, cap): cap * tanh(x / cap).
template <Shaped A>
[[nodiscard]] constexpr auto softcap(A&& a, double cap) {
  return detail::map<detail::softcap_f>(leaf(std::forward<A>(a)), Scalar<double>{cap});
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto (max)(A&& a, B&& b) {
  return detail::combine<detail::max_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto (min)(A&& a, B&& b) {
  return detail::combine<detail::min_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
/// x held inside [low, high].
template <Shaped A>
[[nodiscard]] constexpr auto clamp(A&& a, double low, double high) {
  return detail::map<detail::clamp_f>(leaf(std::forward<A>(a)), Scalar<double>{low}, Scalar<double>{high});
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
