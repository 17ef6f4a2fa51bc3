// SPDX-License-Identifier: Apache-2.0
// A view outlives its tensor.
// expect: deleted (member )?function .*view
#include <molmo/core/tensor.hpp>

molmo::Tensor<float, 8> make();

float run() {
#ifdef MOLMO_MISTAKE
  const auto dangling = make().view();
  return dangling[0];
#else
  const auto kept = make();
  return kept.view()[0];
#endif
}
