// SPDX-License-Identifier: Apache-2.0
// && joins conditions.
// expect: molmo: && \|\| and ! join comparisons and tensors of bool; of numbers write x != 0
#include <molmo/expr/assign.hpp>
#include <molmo/expr/compare.hpp>

using molmo::Shape;
using molmo::View;

void run(View<bool, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = x && ids == 1;
#else
  molmo::on(molmo::Reference{}, y) = x != 0 && ids == 1;
#endif
}
