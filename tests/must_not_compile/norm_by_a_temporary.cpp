// SPDX-License-Identifier: Apache-2.0
// The weight of a norm outlives the statement.
// expect: molmo: this tensor is gone at the end of the line
#include <molmo/ops/rms_norm/rms_norm.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y) {
#ifdef MOLMO_MISTAKE
  const auto s = rms_norm(y, molmo::Tensor<float, 32>{}, 1e-5);
#else
  const molmo::Tensor<float, 32> weight;
  const auto s = rms_norm(y, weight, 1e-5);
#endif
  molmo::on(molmo::Reference{}, y) = s;
}
