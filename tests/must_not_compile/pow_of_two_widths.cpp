// SPDX-License-Identifier: Apache-2.0
// Both sizes stand in the error.
// expect: molmo: operand shapes differ
// expect: 16
// expect: 17
#include <molmo/expr/assign.hpp>

#ifdef MOLMO_MISTAKE
using Exponents = molmo::Shape<17>;
#else
using Exponents = molmo::Shape<16>;
#endif

void run(molmo::View<float, molmo::Shape<16>> y, molmo::View<const float, Exponents> exponents) {
  molmo::on(molmo::Reference{}, y) = pow(y, exponents);
}
