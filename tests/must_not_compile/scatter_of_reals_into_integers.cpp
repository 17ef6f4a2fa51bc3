// SPDX-License-Identifier: Apache-2.0
// Counts are integers.
// expect: molmo: scatter\(ctx, y, ids, x\): x and y hold reals, or both integers
#include <molmo/expr/scatter.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<int, Shape<100>> y, View<const int, Shape<dyn>> ids) {
#ifdef MOLMO_MISTAKE
  molmo::scatter_add(molmo::Reference{}, y, ids, 0.5);
#else
  molmo::scatter_add(molmo::Reference{}, y, ids, 1);
#endif
}
