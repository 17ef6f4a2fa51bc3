// SPDX-License-Identifier: Apache-2.0
// What no expression reads, none is cast to.
// expect: molmo: cast<T>\(e\): T is float
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::cast<unsigned>(x);
#else
  molmo::on(molmo::Reference{}, y) = molmo::cast<float>(x);
#endif
}
