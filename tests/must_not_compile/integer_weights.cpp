// SPDX-License-Identifier: Apache-2.0
// Weights are float, bf16 or f16; other numbers are no bits of these.
// expect: molmo: the weights of a matmul are float, bf16 or f16
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;
#ifdef MOLMO_MISTAKE
using Number = int;
#else
using Number = molmo::f16;
#endif

void run(molmo::View<float, molmo::Shape<dyn, 16>> y, molmo::View<const float, molmo::Shape<dyn, 64>> x,
         molmo::View<const Number, molmo::Shape<16, 64>> w) {
  molmo::on(molmo::Reference{}, y) = matmul(x, w);
}
