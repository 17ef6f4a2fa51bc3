// SPDX-License-Identifier: Apache-2.0
// The sum of 4096 and 4097 numbers.
// expect: molmo: operand shapes differ
// expect: 4096
// expect: 4097
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<4096>> y, molmo::View<const float, molmo::Shape<4096>> a,
         molmo::View<const float, molmo::Shape<4096>> b, molmo::View<const float, molmo::Shape<4097>> c) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = a + c;
#else
  molmo::on(molmo::Reference{}, y) = a + b;
  (void)c;
#endif
}
