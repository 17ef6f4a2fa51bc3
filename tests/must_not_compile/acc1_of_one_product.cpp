// SPDX-License-Identifier: Apache-2.0
// acc1 where there is one product.
// expect: molmo: .then\(e\): acc0, acc1, ... number the products of matmul\(x, w0, w1, ...\)
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y y, X x, W gate, W up) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, gate).then(silu(molmo::acc0) * molmo::acc1), (void)up;
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, gate, up).then(silu(molmo::acc0) * molmo::acc1);
#endif
}
