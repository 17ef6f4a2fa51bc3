// SPDX-License-Identifier: Apache-2.0
// As many rows per token, in axes of another order.
// expect: molmo: concat\(a, b\): operands and target have the same rows
#include <molmo/expr/concat.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 2, 3, 2>> y, View<const float, Shape<dyn, 2, 3, 1>> a, View<const float, Shape<dyn, 3, 2, 1>> b) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::concat(a, b);
#else
  molmo::on(molmo::Reference{}, y) = molmo::concat(a, a);
  (void)b;
#endif
}
