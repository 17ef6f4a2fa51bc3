// SPDX-License-Identifier: Apache-2.0
// Rows of a fused weight that it does not have.
// expect: molmo: rows<First, Count>\(w\): the weight matrix w has fewer rows
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

using X = molmo::View<const float, molmo::Shape<dyn, 32>>;
using Y = molmo::View<float, molmo::Shape<dyn, 16>>;
using W = molmo::Weight<molmo::Shape<16, 32>>;

void run(Y y, X x, molmo::Weight<molmo::Shape<24, 32>> fused) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, molmo::rows<16, 16>(fused));
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, molmo::rows<8, 16>(fused));
#endif
}
