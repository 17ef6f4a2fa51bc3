// SPDX-License-Identifier: Apache-2.0
// The third operand of a longer expression has another width.
// expect: molmo: operand shapes differ
// expect: 128
// expect: 96
#include <molmo/expr/assign.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 128>> y, molmo::View<const float, molmo::Shape<dyn, 128>> a,
         molmo::View<const float, molmo::Shape<dyn, 128>> b, molmo::View<const float, molmo::Shape<dyn, 96>> c) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = silu(a) * b + c;
#else
  molmo::on(molmo::Reference{}, y) = silu(a) * b + a;
  (void)c;
#endif
}
