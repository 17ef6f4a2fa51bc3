// SPDX-License-Identifier: Apache-2.0
// Operands side by side have the same rows.
// expect: molmo: concat\(a, b\): operands and target have the same rows
#include <molmo/expr/concat.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<2, 8>> y, View<const float, Shape<2, 4>> a, View<const float, Shape<3, 4>> b) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::concat(a, b);
#else
  (void)b, molmo::on(molmo::Reference{}, y) = molmo::concat(a, a);
#endif
}
