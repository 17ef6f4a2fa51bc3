// SPDX-License-Identifier: Apache-2.0
// A statement stands alone: its values are compared when they are stored.
// expect: deleted (function|operator)
// expect: a_statement_stands_alone_store_it_first|Statement
#include <molmo/expr/where.hpp>
#include <molmo/ops/softmax/softmax.hpp>

using molmo::dyn;

void run(molmo::View<bool, molmo::Shape<dyn, 32>> y, molmo::View<float, molmo::Shape<dyn, 32>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = softmax(x) > 0.5f;
#else
  molmo::on(molmo::Reference{}, x) = softmax(x);
  molmo::on(molmo::Reference{}, y) = x > 0.5f;
#endif
}
