// SPDX-License-Identifier: Apache-2.0
// Two products into one target, and nothing that joins them.
// expect: molmo: on\(ctx, y0, y1, ...\) = matmul\(x, w0, w1, ...\) has one target for each weight, or one target and .then\(e\)
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y y, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, w, w);
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, w, w).then(molmo::acc0 * molmo::acc1);
#endif
}
