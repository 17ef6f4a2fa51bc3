// SPDX-License-Identifier: Apache-2.0
// A power has a base and an exponent.
// expect: molmo: pow\(x, y\) takes two operands
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<16>> y) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = pow(y);
#else
  molmo::on(molmo::Reference{}, y) = pow(y, 2);
#endif
}
