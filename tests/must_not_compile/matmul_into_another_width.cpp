// SPDX-License-Identifier: Apache-2.0
// The target has another width than the weights have rows.
// expect: molmo: the target of matmul\(x, w\) needs as many columns as w has rows
// expect: 512
// expect: 640
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 512>> y, molmo::View<const float, molmo::Shape<dyn, 4096>> x,
         molmo::Weight<molmo::Shape<512, 4096>> w, molmo::Weight<molmo::Shape<640, 4096>> taller) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x, taller);
  (void)w;
#else
  molmo::on(molmo::Reference{}, y) = matmul(x, w);
  (void)taller;
#endif
}
