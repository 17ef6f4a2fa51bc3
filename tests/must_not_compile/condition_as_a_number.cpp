// SPDX-License-Identifier: Apache-2.0
// true is no number.
// expect: molmo: true and false .* are no numbers; write where\(c, 1, 0\)
#include <molmo/expr/assign.hpp>
#include <molmo/expr/where.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x + (x < 2);
#else
  molmo::on(molmo::Reference{}, y) = x + molmo::where(x < 2, 1, 0);
#endif
}
