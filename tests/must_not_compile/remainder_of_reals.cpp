// SPDX-License-Identifier: Apache-2.0
// % is of integers.
// expect: molmo: a % b is of integers
#include <molmo/expr/assign.hpp>
#include <molmo/expr/remainder.hpp>

using molmo::Shape;
using molmo::View;

void run(View<int, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x % 2;
#else
  molmo::on(molmo::Reference{}, y) = ids % 2;
#endif
}
