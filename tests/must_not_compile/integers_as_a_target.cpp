// SPDX-License-Identifier: Apache-2.0
// Reals become integers where someone says so.
// expect: molmo: on\(ctx, y\) = e: e is real and y holds integers; write cast<std::int32_t>\(e\)
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>

using molmo::Shape;
using molmo::View;

void run(View<int, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x + 1;
#else
  molmo::on(molmo::Reference{}, y) = molmo::cast<int>(x + 1);
#endif
}
