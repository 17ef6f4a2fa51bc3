// SPDX-License-Identifier: Apache-2.0
// Integers would go through float, which does not have them all.
// expect: molmo: expressions read float, double, bf16 and f16
#include <molmo/expr/assign.hpp>

#ifdef MOLMO_MISTAKE
using Number = int;
#else
using Number = double;
#endif

void run(molmo::View<float, molmo::Shape<16>> y, molmo::View<const Number, molmo::Shape<16>> ids) {
  molmo::on(molmo::Reference{}, y) = ids + 1;
}
