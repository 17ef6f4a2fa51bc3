// SPDX-License-Identifier: Apache-2.0
// Outside a matmul there is nothing to be stored.
// expect: molmo: acc is what a matmul is about to store
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<16>> y, molmo::View<const float, molmo::Shape<16>> gate) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = silu(molmo::acc) * gate + y;
#else
  molmo::on(molmo::Reference{}, y) = silu(y) * gate + y;
#endif
}
