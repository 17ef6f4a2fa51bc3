// SPDX-License-Identifier: Apache-2.0
// A softmax of an expression is shaped like it: a column is not spread over rows first.
// expect: molmo: the target of a softmax or a norm is shaped like its operand
#include <molmo/ops/softmax/softmax.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y, molmo::View<const float, molmo::Shape<32>> row) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = softmax(row * 2);
#else
  molmo::on(molmo::Reference{}, y) = softmax(y * 0 + row * 2);
#endif
}
