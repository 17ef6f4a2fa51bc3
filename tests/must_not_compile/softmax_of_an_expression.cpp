// SPDX-License-Identifier: Apache-2.0
// A statement reads memory: what is calculated first is stored first.
// expect: molmo: a matmul, a softmax and a norm read tensors and views
#include <molmo/ops/softmax/softmax.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = softmax(y * 2);
#else
  molmo::on(molmo::Reference{}, y) = y * 2;
  molmo::on(molmo::Reference{}, y) = softmax(y);
#endif
}
