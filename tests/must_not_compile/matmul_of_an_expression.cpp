// SPDX-License-Identifier: Apache-2.0
// A matmul reads each element of x once per column of w, so x is in memory: what is calculated is stored first.
// expect: molmo: a matmul reads tensors and views
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 8>> y, molmo::View<float, molmo::Shape<dyn, 32>> x,
         molmo::View<const float, molmo::Shape<8, 32>> w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(x * 2, w);
#else
  molmo::on(molmo::Reference{}, x) = x * 2;
  molmo::on(molmo::Reference{}, y) = matmul(x, w);
#endif
}
