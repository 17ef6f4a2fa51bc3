// SPDX-License-Identifier: Apache-2.0
// Places in a row of numbers come from ids that are one per token.
// expect: molmo: scatter\(ctx, y, ids, x\): of a y of single numbers, Shape<rows>, ids are one per token
#include <molmo/expr/scatter.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<5>> y, View<const int, Shape<3>> three, View<const int, Shape<dyn>> ids, View<const float, Shape<3>> x) {
#ifdef MOLMO_MISTAKE
  molmo::scatter(molmo::Reference{}, y, three, x);
  (void)ids;
#else
  molmo::scatter(molmo::Reference{}, y, ids, 2.0f);
  (void)three, (void)x;
#endif
}
