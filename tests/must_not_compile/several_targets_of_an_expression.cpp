// SPDX-License-Identifier: Apache-2.0
// A pointwise expression has one target.
// expect: molmo: on\(ctx, y0, y1, ...\) = matmul\(x, w0, w1, ...\) has several targets
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y q, Y k, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, q, k) = silu(q) * 2, (void)x, (void)w;
#else
  molmo::on(molmo::Reference{}, q, k) = matmul(x, w, w).then(silu(molmo::acc) * 2, molmo::acc);
#endif
}
