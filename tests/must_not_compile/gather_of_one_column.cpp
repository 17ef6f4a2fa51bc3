// SPDX-License-Identifier: Apache-2.0
// A table of one column does not spread over the columns of y.
// expect: molmo: gather\(table, ids\) spreads over heads or columns of y; store it first
#include <molmo/expr/gather.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 8>> y, View<float, Shape<dyn, 1>> x, View<const float, Shape<100, 1>> table,
         View<const int, Shape<dyn>> ids) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = y * molmo::gather(table, ids);
  (void)x;
#else
  molmo::on(molmo::Reference{}, x) = x * molmo::gather(table, ids);
  (void)y;
#endif
}
