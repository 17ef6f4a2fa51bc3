// SPDX-License-Identifier: Apache-2.0
// Functions are of reals.
// expect: molmo: this function is of real numbers; of integers write it of cast<float>\(ids\)
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>

using molmo::Shape;
using molmo::View;

void run(View<float, Shape<16>> y, View<const float, Shape<16>> x, View<const int, Shape<16>> ids) {
  (void)x, (void)ids;
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::exp(ids);
#else
  molmo::on(molmo::Reference{}, y) = molmo::exp(molmo::cast<float>(ids));
#endif
}
