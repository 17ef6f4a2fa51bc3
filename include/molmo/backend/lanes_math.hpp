// SPDX-License-Identifier: Apache-2.0
// The functions of Lanes, all of them. floor and ceil stand here; the others have a header for each family:
//
//   lanes_exp.hpp    exp exp2 expm1 tanh erf        lanes_log.hpp    log log1p
//   lanes_pow.hpp    pow                            lanes_trig.hpp   sin cos
// Each has a polynomial of its own, so results do not depend on the C library, except for sin and cos far from 0. The
// same names for numbers stand in expr/scalar.hpp.
#pragma once

#include <molmo/backend/lanes_pow.hpp>
#include <molmo/backend/lanes_trig.hpp>

namespace molmo::inline v0 {

/// The largest whole number that is not larger, per lane; -0, inf and NaN stay.
template <class A>
MOLMO_INLINE Lanes<A> floor(Lanes<A> x) {
  using V = Lanes<A>;
  const V nearest = round_to_integer(x);
  return nearest - select_less(x, nearest, V::broadcast(1.0f), V::broadcast(0.0f));
}
/// The smallest whole number that is not smaller, per lane; -0.5 gives -0.
template <class A>
MOLMO_INLINE Lanes<A> ceil(Lanes<A> x) {
  return -floor(-x);
}

}  // namespace molmo::inline v0
