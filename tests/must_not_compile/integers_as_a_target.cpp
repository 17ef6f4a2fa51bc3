// SPDX-License-Identifier: Apache-2.0
// Integers would come from float, which does not have them all.
// expect: molmo: the target of on\(ctx, y\) = e is float, double, bf16 or f16
#include <molmo/expr/assign.hpp>

#ifdef MOLMO_MISTAKE
using Number = int;
#else
using Number = double;
#endif

void run(molmo::View<Number, molmo::Shape<16>> y, molmo::View<const float, molmo::Shape<16>> x) {
  molmo::on(molmo::Reference{}, y) = x + 1;
}
