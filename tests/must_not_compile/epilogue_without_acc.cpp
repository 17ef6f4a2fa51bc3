// SPDX-License-Identifier: Apache-2.0
// An epilogue that does not read the product.
// expect: molmo: .then\(e\): e does not read acc
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> y, molmo::View<const float, molmo::Shape<dyn, 32>> x,
         molmo::Weight<molmo::Shape<16, 32>> w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(silu(y));
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(silu(y) * molmo::acc);
#endif
}
