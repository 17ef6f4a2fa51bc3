// SPDX-License-Identifier: Apache-2.0
// The same, of a whole expression.
// expect: molmo: on\(ctx, y\) = e: e is true or false and y holds numbers; write where\(e, 1, 0\)
#include <molmo/expr/assign.hpp>
#include <molmo/expr/where.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x < 2;
#else
  molmo::on(molmo::Reference{}, y) = molmo::where(x < 2, 1, 0);
#endif
}
