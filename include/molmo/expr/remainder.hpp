// SPDX-License-Identifier: Apache-2.0
// a % b: the remainder of integers.
//
//   on(cpu, slot) = positions % 4096;        a ring of 4096 places
// It has the sign of a, as in C++; a % 0 = a, so that a = (a / b) * b + a % b always (expr/integers.hpp).
#pragma once

#include <molmo/expr/pointwise.hpp>

namespace molmo::inline v0 {
namespace detail {

struct remainder_f {
  static constexpr const char* name = "%";
  static constexpr Takes takes = Takes::integers;
  template <class V>
  MOLMO_INLINE V operator()(const V& a, const V& b) const {
    return a % b;
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator%(A&& a, B&& b) {
  return detail::combine<detail::remainder_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
