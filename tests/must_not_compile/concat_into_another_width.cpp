// SPDX-License-Identifier: Apache-2.0
// The columns of a concat are those of its operands.
// expect: molmo: on\(ctx, y\) = concat\(a, b\): y has as many columns as its operands together
#include <molmo/expr/concat.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 8>> y, View<const float, Shape<dyn, 4>> a, View<const float, Shape<dyn, 3>> b) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::concat(a, b);
#else
  (void)b, molmo::on(molmo::Reference{}, y) = molmo::concat(a, a);
#endif
}
