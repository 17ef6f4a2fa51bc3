// SPDX-License-Identifier: Apache-2.0
// Gathered rows are rows of tokens, not of heads.
// expect: molmo: gather\(table, ids\) spreads over heads or columns of y; store it first
#include <molmo/expr/gather.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 4, 8>> y, View<float, Shape<dyn, 8>> x, View<const float, Shape<100>> scale,
         View<const int, Shape<dyn>> ids) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = y * molmo::gather(scale, ids);
  (void)x;
#else
  molmo::on(molmo::Reference{}, x) = x * molmo::gather(scale, ids);
  (void)y;
#endif
}
