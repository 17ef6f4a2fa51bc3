// SPDX-License-Identifier: Apache-2.0
// Sixty-four columns as five heads.
// expect: molmo: heads<H>\(x\): H does not divide the width of x
#include <molmo/core/views.hpp>

using molmo::dyn;

auto run(molmo::View<float, molmo::Shape<dyn, 64>> x) {
#ifdef MOLMO_MISTAKE
  return molmo::heads<5>(x);
#else
  return molmo::heads<4>(x);
#endif
}
