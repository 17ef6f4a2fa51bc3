// SPDX-License-Identifier: Apache-2.0
// What a norm reads outlives the statement.
// expect: molmo: this tensor is gone at the end of the line
#include <molmo/ops/layer_norm/layer_norm.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y) {
  const molmo::Tensor<float, 32> weight, bias;
#ifdef MOLMO_MISTAKE
  const auto s = layer_norm(molmo::Tensor<float, dyn, 32>{3}, weight, molmo::Tensor<float, 32>{}, 1e-5);
#else
  const auto s = layer_norm(y, weight, bias, 1e-5);
#endif
  molmo::on(molmo::Reference{}, y) = s;
}
