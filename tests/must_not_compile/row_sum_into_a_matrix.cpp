// SPDX-License-Identifier: Apache-2.0
// A row reduction gives one number per row.
// expect: molmo: the target of on\(ctx, y\) = ... has another shape than the expression
#include <molmo/expr/reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn>> s, molmo::View<float, molmo::Shape<8>> y,
         molmo::View<const float, molmo::Shape<dyn, 8>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = row_sum(x);
  (void)s;
#else
  molmo::on(molmo::Reference{}, s) = row_sum(x);
  (void)y;
#endif
}
