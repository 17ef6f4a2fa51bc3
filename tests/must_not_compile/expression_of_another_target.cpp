// SPDX-License-Identifier: Apache-2.0
// The expression of one target reads the product of another.
// expect: molmo: .then\(e0, e1, ...\): each target.s expression reads acc, its own product
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y q, Y k, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, q, k) = matmul(x, w, w).then(molmo::acc0, molmo::acc0 * molmo::acc1);
#else
  molmo::on(molmo::Reference{}, q, k) = matmul(x, w, w).then(molmo::acc0, molmo::acc * molmo::acc1);
#endif
}
