// SPDX-License-Identifier: Apache-2.0
// What a statement reads outlives it.
// expect: molmo: this tensor is gone at the end of the line
#include <molmo/ops/softmax/softmax.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y) {
#ifdef MOLMO_MISTAKE
  const auto s = softmax(molmo::Tensor<float, dyn, 32>{3});
#else
  const molmo::Tensor<float, dyn, 32> x{3};
  const auto s = softmax(x);
#endif
  molmo::on(molmo::Reference{}, y) = s;
}
