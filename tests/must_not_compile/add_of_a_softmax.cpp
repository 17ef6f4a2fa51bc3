// SPDX-License-Identifier: Apache-2.0
// += of a statement that has no epilogue.
// expect: molmo: on\(ctx, y\) \+= s works where s is an expression or a matmul
#include <molmo/ops/softmax/softmax.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y, molmo::View<float, molmo::Shape<dyn, 32>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) += softmax(x);
#else
  molmo::on(molmo::Reference{}, x) = softmax(x);
  molmo::on(molmo::Reference{}, y) += x;
#endif
}
