// SPDX-License-Identifier: Apache-2.0
// Forty-eight elements as fifty.
// expect: molmo: reshape<Y>\(x\): Y has another number of elements than x
#include <molmo/core/views.hpp>

auto run(molmo::View<float, molmo::Shape<6, 8>> x) {
#ifdef MOLMO_MISTAKE
  return molmo::reshape<molmo::Shape<5, 10>>(x);
#else
  return molmo::reshape<molmo::Shape<4, 12>>(x);
#endif
}
