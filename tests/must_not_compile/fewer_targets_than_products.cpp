// SPDX-License-Identifier: Apache-2.0
// Three products, two targets.
// expect: molmo: on\(ctx, y0, y1, ...\) = matmul\(x, w0, w1, ...\) has one target for each weight
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y q, Y k, Y v, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, q, k) = matmul(x, w, w, w), (void)v;
#else
  molmo::on(molmo::Reference{}, q, k, v) = matmul(x, w, w, w);
#endif
}
