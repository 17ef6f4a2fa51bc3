// SPDX-License-Identifier: Apache-2.0
// Ids are integers.
// expect: molmo: one_hot\(ids\): ids are integers, one per token
#include <molmo/expr/position.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<const float, Shape<dyn>> x, View<const int, Shape<dyn>> ids) {
#ifdef MOLMO_MISTAKE
  (void)ids, (void)molmo::one_hot(x);
#else
  (void)x, (void)molmo::one_hot(ids);
#endif
}
