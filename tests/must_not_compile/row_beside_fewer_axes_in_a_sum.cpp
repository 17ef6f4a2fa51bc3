// SPDX-License-Identifier: Apache-2.0
// What is summed is a walk of its own, with the same law.
// expect: molmo: on\(ctx, y\) = e: a part of e with tokens has fewer axes than y and itself spreads a row
#include <molmo/expr/reduce.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

float run(View<float, Shape<dyn, 2, 3>> y, View<float, Shape<dyn, 2>> a, View<const float, Shape<2>> w) {
#ifdef MOLMO_MISTAKE
  return molmo::sum(molmo::Reference{}, y * (a + w));
#else
  return molmo::sum(molmo::Reference{}, y * a) + molmo::sum(molmo::Reference{}, a + w);
#endif
}
