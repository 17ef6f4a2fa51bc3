// SPDX-License-Identifier: Apache-2.0
// The weights have another input width than the activations.
// expect: molmo: matmul\(x, w\) needs the last axis of x to equal the last axis of w
// expect: 4096
// expect: 5120
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 512>> y, molmo::View<const float, molmo::Shape<dyn, 4096>> x,
         molmo::Weight<molmo::Shape<512, 4096>> w, molmo::Weight<molmo::Shape<512, 5120>> wider) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, wider);
  (void)w;
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, w);
  (void)wider;
#endif
}
