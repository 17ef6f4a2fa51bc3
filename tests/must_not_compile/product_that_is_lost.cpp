// SPDX-License-Identifier: Apache-2.0
// Two products and one expression that reads one of them.
// expect: molmo: matmul\(x, w0, w1\).then\(e\): e reads both products, acc0 and acc1
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y y, X x, W gate, W up) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, gate, up).then(silu(molmo::acc0));
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, gate, up).then(silu(molmo::acc0) + molmo::acc1);
#endif
}
