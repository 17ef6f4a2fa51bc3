// SPDX-License-Identifier: Apache-2.0
// A gather reads rows that lie in memory.
// expect: molmo: gather\(table, ids\): the table is a tensor or a view; store what is
#include <molmo/expr/gather.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 8>> y, View<const float, Shape<100, 8>> table, View<const int, Shape<dyn>> ids) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::gather(table * 2, ids);
#else
  molmo::on(molmo::Reference{}, y) = molmo::gather(table, ids) * 2;
#endif
}
