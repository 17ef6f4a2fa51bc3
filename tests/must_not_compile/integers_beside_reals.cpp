// SPDX-License-Identifier: Apache-2.0
// Integers become floats where someone says so: a float does not have them all.
// expect: molmo: integers beside reals.*write cast<float>\(ids\)
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x + ids;
#else
  molmo::on(molmo::Reference{}, y) = x + molmo::cast<float>(ids);
#endif
}
