// SPDX-License-Identifier: Apache-2.0
// where asks for a condition.
// expect: molmo: where\(c, a, b\): c is a comparison or a tensor of bool; of numbers write c != 0
#include <molmo/expr/assign.hpp>
#include <molmo/expr/where.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::where(x, x, 1);
#else
  molmo::on(molmo::Reference{}, y) = molmo::where(x != 0, x, 1);
#endif
}
