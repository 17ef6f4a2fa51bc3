// SPDX-License-Identifier: Apache-2.0
// A row reduction gives one number per row.
// expect: molmo: row_sum and row_max reduce Shape<n, cols> to Shape<n>
#include <molmo/expr/reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn>> s, molmo::View<float, molmo::Shape<dyn, 8>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, x) = row_sum(x);
  (void)s;
#else
  molmo::on(molmo::Reference{}, s) = row_sum(x);
#endif
}
