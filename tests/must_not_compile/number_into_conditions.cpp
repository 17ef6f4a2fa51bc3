// SPDX-License-Identifier: Apache-2.0
// A number is not true or false.
// expect: molmo: on\(ctx, y\) = e: y holds true or false and e is numbers; write e != 0
#include <molmo/expr/assign.hpp>
#include <molmo/expr/compare.hpp>

using molmo::Shape;
using molmo::View;

void run(View<bool, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x;
#else
  molmo::on(molmo::Reference{}, y) = x != 0;
#endif
}
