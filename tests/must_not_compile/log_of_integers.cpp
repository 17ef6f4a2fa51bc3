// SPDX-License-Identifier: Apache-2.0
// A logarithm is of real numbers.
// expect: molmo: (expressions read float, double|this function is of real numbers)
#include <molmo/expr/assign.hpp>

#ifdef MOLMO_MISTAKE
using Number = int;
#else
using Number = double;
#endif

void run(molmo::View<float, molmo::Shape<16>> y, molmo::View<const Number, molmo::Shape<16>> counts) {
  molmo::on(molmo::Reference{}, y) = log(counts);
}
