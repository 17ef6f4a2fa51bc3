// SPDX-License-Identifier: Apache-2.0
// Outside a matmul there is nothing to be stored.
// expect: molmo: acc is what a matmul is about to store
#include <molmo/expr/reduce.hpp>

double run(molmo::View<const float, molmo::Shape<16>> x) {
#ifdef MOLMO_MISTAKE
  return sum(molmo::Reference{}, molmo::acc + x);
#else
  return sum(molmo::Reference{}, 1 + x);
#endif
}
