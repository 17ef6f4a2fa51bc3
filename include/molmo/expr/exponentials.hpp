// SPDX-License-Identifier: Apache-2.0
// exp and log and what is made of them: exp exp2 expm1, log log1p, pow, tanh, erf. What such a struct holds is said in
// expr/functions.hpp; its speed is in backend/lanes_exp.hpp, lanes_log.hpp and lanes_pow.hpp.
#pragma once

#include <molmo/expr/map.hpp>

namespace molmo::inline v0 {
namespace detail {

struct exp_f {
  static constexpr const char* name = "exp";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return exp(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g * y;
  }
};
struct exp2_f {
  static constexpr const char* name = "exp2";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return exp2(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g * y * constant<V>(0.69314718055994530942);
  }
};
struct expm1_f {
  static constexpr const char* name = "expm1";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return expm1(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g * (y + constant<V>(1));
  }
};
struct log_f {
  static constexpr const char* name = "log";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return log(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g / x;
  }
};
struct log1p_f {
  static constexpr const char* name = "log1p";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return log1p(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g / (x + constant<V>(1));
  }
};
// dx is 0 for b = 0, and db is 0 for a = 0, b >= 0: their formulas would give NaN there.
struct pow_f {
  static constexpr const char* name = "pow";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return pow(a, b);
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V y, V a, V b, A& da, B& db) const {
    const V zero = constant<V>(0);
    if constexpr (is_wanted<A>) da = select_less(zero, abs(b), g * b * pow(a, b - constant<V>(1)), b);  // b: 0, or NaN
    if constexpr (is_wanted<B>) {
      const V slope = g * y * log(a);
      db = select_less(zero, abs(a), slope, select_less(b, zero, slope, a * a));
    }
  }
};
struct tanh_f {
  static constexpr const char* name = "tanh";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return tanh(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g * (constant<V>(1) - y * y);
  }
};
struct erf_f {
  static constexpr const char* name = "erf";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return erf(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g * constant<V>(1.12837916709551257390) * exp(-(x * x));  // 2 / sqrt(pi)
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

template <Shaped A>
[[nodiscard]] constexpr auto exp(A&& a) {
  return detail::map<detail::exp_f>(leaf(std::forward<A>(a)));
}
/// 2^x.
template <Shaped A>
[[nodiscard]] constexpr auto exp2(A&& a) {
  return detail::map<detail::exp2_f>(leaf(std::forward<A>(a)));
}
/// e^x - 1, exact for small x, too.
template <Shaped A>
[[nodiscard]] constexpr auto expm1(A&& a) {
  return detail::map<detail::expm1_f>(leaf(std::forward<A>(a)));
}
/// The natural logarithm: -infinity at 0, NaN below.
template <Shaped A>
[[nodiscard]] constexpr auto log(A&& a) {
  return detail::map<detail::log_f>(leaf(std::forward<A>(a)));
}
/// log(1 + x), exact for small x, too.
template <Shaped A>
[[nodiscard]] constexpr auto log1p(A&& a) {
  return detail::map<detail::log1p_f>(leaf(std::forward<A>(a)));
}
/// a^b, of which one may be a number. As in C: a negative a has powers for whole b only, else NaN.
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto pow(A&& a, B&& b) {
  return detail::combine<detail::pow_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <Shaped A>
[[nodiscard]] constexpr auto pow(A&& a) {
  static_assert(!Shaped<A>,
                "molmo: pow(x, y) takes two operands, the base and the exponent; one of them may be a number");
  return leaf(std::forward<A>(a));
}
template <Shaped A>
[[nodiscard]] constexpr auto tanh(A&& a) {
  return detail::map<detail::tanh_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto erf(A&& a) {
  return detail::map<detail::erf_f>(leaf(std::forward<A>(a)));
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
