// SPDX-License-Identifier: Apache-2.0
// IntegerAt<P>: the position P of reals as integers see it: its load and splat give Integers as those of P give numbers
// or registers. It has as many neighbours as P, and is P itself for the operands that are real or true and false.
#pragma once

#include <molmo/expr/integer_blocks.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

// Neighbours of a position whose values are V.
template <class V>
MOLMO_HD constexpr int neighbours() {
  if constexpr (std::is_arithmetic_v<V>)
    return 1;
  else
    return V::size;
}

/// The position P, of reals, as integers see it.
template <class P>
struct IntegerAt : P {
  using real = P;
  using value = Integers<neighbours<typename P::value>()>;

  template <class T>
  MOLMO_INLINE value load(const T* p) const {
    if constexpr (requires(const P& at) { at.count; })
      return value::load(p, this->count);
    else
      return value::load(p);
  }
  MOLMO_INLINE auto load(const bool* p) const { return P::load(p); }
  template <class T>
  MOLMO_INLINE value splat(T x) const {
    return value::broadcast(static_cast<std::int64_t>(x));
  }
};

}  // namespace detail::inline MOLMO_ISA
}  // namespace molmo::inline v0
