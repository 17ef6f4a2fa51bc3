// SPDX-License-Identifier: Apache-2.0
// Tokens are the first axis of everything.
// expect: molmo: transpose\(x\) exchanges the last two axes of x
#include <molmo/expr/transpose.hpp>

using molmo::dyn;

auto run(molmo::View<const float, molmo::Shape<dyn, 64>> x, molmo::View<const float, molmo::Shape<dyn, 4, 16>> h) {
#ifdef MOLMO_MISTAKE
  (void)h;
  return transpose(x);
#else
  (void)x;
  return transpose(h);
#endif
}
