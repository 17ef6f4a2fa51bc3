// SPDX-License-Identifier: Apache-2.0
// Two products meet in a target of bf16, where the first would be rounded while it waits.
// expect: molmo: where two products meet, the first waits in the target: that is float
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y y, molmo::View<molmo::bf16, molmo::Shape<dyn, 16>> narrow, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, narrow) = matmul(x, w, w).then(molmo::acc0 * molmo::acc1), (void)y;
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, w, w).then(molmo::acc0 * molmo::acc1), (void)narrow;
#endif
}
