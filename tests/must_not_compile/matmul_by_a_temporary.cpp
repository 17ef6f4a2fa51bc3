// SPDX-License-Identifier: Apache-2.0
// The weights of a matmul outlive the statement.
// expect: molmo: this tensor is gone at the end of the line
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> y, molmo::View<const float, molmo::Shape<dyn, 32>> x) {
#ifdef MOLMO_MISTAKE
  const auto product = matmul(x, molmo::Tensor<float, 16, 32>{});
#else
  const molmo::Tensor<float, 16, 32> w;
  const auto product = matmul(x, w);
#endif
  molmo::on(molmo::Reference{}, y) = product;
}
