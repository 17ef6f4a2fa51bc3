// SPDX-License-Identifier: Apache-2.0
// The bias has another width than the target.
// expect: molmo: the epilogue of a matmul has another shape than its target
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> y, molmo::View<const float, molmo::Shape<dyn, 32>> x,
         molmo::Weight<molmo::Shape<16, 32>> w, molmo::View<const float, molmo::Shape<16>> bias,
         molmo::View<const float, molmo::Shape<32>> wrong) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(molmo::acc + wrong);
  (void)bias;
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(molmo::acc + bias);
  (void)wrong;
#endif
}
