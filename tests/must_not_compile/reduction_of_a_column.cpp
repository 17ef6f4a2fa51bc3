// SPDX-License-Identifier: Apache-2.0
// Without a context a reduction is one of rows, and a column has none.
// expect: molmo: sum, mean, max_of ... of e reduce the rows of e, and a column has none
#include <molmo/expr/reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn>> s) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, s) = s - mean(s);
#else
  molmo::on(molmo::Reference{}, s) = s - mean(molmo::Reference{}, s);
#endif
}
