// SPDX-License-Identifier: Apache-2.0
// Outside a matmul there is nothing to be stored.
// expect: molmo: acc is what a matmul is about to store
#include <molmo/expr/reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn>> s, molmo::View<const float, molmo::Shape<dyn, 16>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, s) = row_sum(molmo::acc + x);
#else
  molmo::on(molmo::Reference{}, s) = row_sum(1 + x);
#endif
}
