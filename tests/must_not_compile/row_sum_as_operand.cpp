// SPDX-License-Identifier: Apache-2.0
// A reduction is a statement.
// expect: deleted (function|operator)
// expect: statement
#include <molmo/expr/reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn>> s, molmo::View<const float, molmo::Shape<dyn, 8>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, s) = s + row_sum(x);
#else
  molmo::on(molmo::Reference{}, s) = row_sum(x);
  molmo::on(molmo::Reference{}, s) = s + s;
#endif
}
