// SPDX-License-Identifier: Apache-2.0
// The second target has another width than the second weight has rows.
// expect: molmo: the target of matmul\(x, w\) needs as many columns as w has rows
// expect: 16
// expect: 24
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y q, Y k, molmo::View<float, molmo::Shape<dyn, 24>> wide, X x, W w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, q, wide) = matmul(x, w, w), (void)k;
#else
  molmo::on(molmo::Reference{}, q, k) = matmul(x, w, w), (void)wide;
#endif
}
