// SPDX-License-Identifier: Apache-2.0
// A number with a decimal point is no integer.
// expect: molmo: integers beside reals
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>

using molmo::Shape;
using molmo::View;

void run(View<int, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = ids * 0.5;
#else
  molmo::on(molmo::Reference{}, y) = molmo::cast<int>(molmo::cast<float>(ids) * 0.5);
#endif
}
