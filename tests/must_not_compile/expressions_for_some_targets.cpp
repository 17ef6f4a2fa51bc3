// SPDX-License-Identifier: Apache-2.0
// Three targets, two expressions.
// expect: molmo: matmul\(x, w0, w1, ...\).then\(...\) has one expression for each target, or one expression
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y q, Y k, Y v, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, q, k, v) = matmul(x, w, w, w).then(molmo::acc, molmo::acc * 2);
#else
  molmo::on(molmo::Reference{}, q, k, v) = matmul(x, w, w, w).then(molmo::acc, molmo::acc * 2, molmo::acc);
#endif
}
