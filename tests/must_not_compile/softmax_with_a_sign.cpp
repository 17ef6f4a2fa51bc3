// SPDX-License-Identifier: Apache-2.0
// A statement stands alone: a sign comes when its values are stored.
// expect: deleted (function|operator)
// expect: a_statement_stands_alone_store_it_first|Statement
#include <molmo/ops/softmax/softmax.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y, molmo::View<float, molmo::Shape<dyn, 32>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = -softmax(x);
#else
  molmo::on(molmo::Reference{}, x) = softmax(x);
  molmo::on(molmo::Reference{}, y) = -x;
#endif
}
