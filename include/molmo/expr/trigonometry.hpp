// SPDX-License-Identifier: Apache-2.0
// sin and cos, of radians. What such a struct holds is said in expr/functions.hpp; its speed is in
// backend/lanes_trig.hpp.
#pragma once

#include <molmo/expr/map.hpp>

namespace molmo::inline v0 {
namespace detail {

struct sin_f {
  static constexpr const char* name = "sin";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return sin(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g * cos(x);
  }
};
struct cos_f {
  static constexpr const char* name = "cos";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return cos(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = -(g * sin(x));
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

/// x in radians.
template <Shaped A>
[[nodiscard]] constexpr auto sin(A&& a) {
  return detail::map<detail::sin_f>(leaf(std::forward<A>(a)));
}
/// x in radians.
template <Shaped A>
[[nodiscard]] constexpr auto cos(A&& a) {
  return detail::map<detail::cos_f>(leaf(std::forward<A>(a)));
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
