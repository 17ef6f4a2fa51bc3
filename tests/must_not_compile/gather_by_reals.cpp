// SPDX-License-Identifier: Apache-2.0
// Ids are integers.
// expect: molmo: gather\(table, ids\): ids are integers, one per token
#include <molmo/expr/gather.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 8>> y, View<const float, Shape<100, 8>> table, View<const int, Shape<dyn>> ids, View<const float, Shape<dyn>> x) {
#ifdef MOLMO_MISTAKE
  (void)ids, molmo::on(molmo::Reference{}, y) = molmo::gather(table, x);
#else
  (void)x, molmo::on(molmo::Reference{}, y) = molmo::gather(table, ids);
#endif
}
