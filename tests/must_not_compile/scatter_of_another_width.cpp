// SPDX-License-Identifier: Apache-2.0
// Rows that are added are as wide as those they are added to.
// expect: molmo: scatter\(ctx, y, ids, x\): x has one row per id, as wide as those of y
#include <molmo/expr/scatter.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<100, 8>> y, View<const int, Shape<dyn>> ids, View<const float, Shape<dyn, 7>> x) {
#ifdef MOLMO_MISTAKE
  molmo::scatter_add(molmo::Reference{}, y, ids, x);
#else
  (void)x, molmo::scatter_add(molmo::Reference{}, y, ids, 1);
#endif
}
