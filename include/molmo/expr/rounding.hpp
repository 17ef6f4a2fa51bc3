// SPDX-License-Identifier: Apache-2.0
// Sign and size of numbers, and whole numbers near them: abs sign, floor ceil round. The last three and sign are steps,
// so their gradient is 0 everywhere. What such a struct holds is said in expr/functions.hpp.
#pragma once

#include <molmo/expr/map.hpp>

namespace molmo::inline v0 {
namespace detail {

// -1, 0 or 1; zeroes and NaN stay as they are.
struct sign_f {
  static constexpr const char* name = "sign";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    const V zero = constant<V>(0);
    return select_less(x, zero, constant<V>(-1), select_less(zero, x, constant<V>(1), x));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V, V, V, D& dx) const {
    dx = constant<V>(0);
  }
};
// The slope at 0 is 0.
struct abs_f {
  static constexpr const char* name = "abs";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return abs(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g * sign_f{}(x);
  }
};
// Steps: the slope is 0 everywhere.
struct floor_f {
  static constexpr const char* name = "floor";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return floor(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V, V, V, D& dx) const {
    dx = constant<V>(0);
  }
};
struct ceil_f {
  static constexpr const char* name = "ceil";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return ceil(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V, V, V, D& dx) const {
    dx = constant<V>(0);
  }
};
struct round_f {
  static constexpr const char* name = "round";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return round_to_integer(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V, V, V, D& dx) const {
    dx = constant<V>(0);
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

/// -1, 0 or 1; zeroes and NaN stay as they are.
template <Shaped A>
[[nodiscard]] constexpr auto sign(A&& a) {
  return detail::map<detail::sign_f>(leaf(std::forward<A>(a)));
}
template <Shaped A>
[[nodiscard]] constexpr auto abs(A&& a) {
  return detail::map<detail::abs_f>(leaf(std::forward<A>(a)));
}
/// The largest whole number that is not larger.
template <Shaped A>
[[nodiscard]] constexpr auto floor(A&& a) {
  return detail::map<detail::floor_f>(leaf(std::forward<A>(a)));
}
/// The smallest whole number that is not smaller.
template <Shaped A>
[[nodiscard]] constexpr auto ceil(A&& a) {
  return detail::map<detail::ceil_f>(leaf(std::forward<A>(a)));
}
/// The nearest whole number, a half to the even one: 2.5 to 2, 3.5 to 4.
template <Shaped A>
[[nodiscard]] constexpr auto round(A&& a) {
  return detail::map<detail::round_f>(leaf(std::forward<A>(a)));
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
