// SPDX-License-Identifier: Apache-2.0
// A temporary tensor becomes a view without a word.
// expect: deleted
// expect: operator
#include <molmo/core/tensor.hpp>

molmo::Tensor<float, 8> make();

float run() {
#ifdef MOLMO_MISTAKE
  const molmo::View<const float, molmo::Shape<8>> dangling = make();
  return dangling[0];
#else
  const auto kept = make();
  const molmo::View<const float, molmo::Shape<8>> view = kept;
  return view[0];
#endif
}
