// SPDX-License-Identifier: Apache-2.0
// The same, of a whole expression.
// expect: molmo: on\(ctx, y\) = e: e is integers and y holds reals; write cast<float>\(e\)
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = ids + 1;
#else
  molmo::on(molmo::Reference{}, y) = molmo::cast<float>(ids + 1);
#endif
}
