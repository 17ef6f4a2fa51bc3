// SPDX-License-Identifier: Apache-2.0
// A row beside [n, 2] is one of 2; beside [n, 2, 3] it would be one of 3.
// expect: molmo: on\(ctx, y\) = e: a part of e with tokens has fewer axes than y and itself spreads a row
#include <molmo/expr/row_reduce.hpp>

using molmo::dyn;
using molmo::Shape;
using molmo::View;

void run(View<float, Shape<dyn, 2, 3>> y, View<float, Shape<dyn, 2>> a, View<const float, Shape<2>> w, View<float, Shape<dyn, 3>> x,
         View<const float, Shape<3>> v) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = a + w;
  (void)x, (void)v;
#else
  molmo::on(molmo::Reference{}, a) = a + w;
  molmo::on(molmo::Reference{}, y) = y * a + v;
  molmo::on(molmo::Reference{}, y) = y * (a + 1) + molmo::mean(x * v);
#endif
}
