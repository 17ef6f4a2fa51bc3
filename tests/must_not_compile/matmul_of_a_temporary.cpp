// SPDX-License-Identifier: Apache-2.0
// The activations of a matmul outlive the statement.
// expect: molmo: this tensor is gone at the end of the line
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> y, molmo::Weight<molmo::Shape<16, 32>> w) {
#ifdef MOLMO_MISTAKE
  const auto product = matmul(molmo::Tensor<float, dyn, 32>{3}, w);
#else
  const molmo::Tensor<float, dyn, 32> x{3};
  const auto product = matmul(x, w);
#endif
  molmo::on(molmo::Reference{}, y) = product;
}
