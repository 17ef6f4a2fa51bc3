// SPDX-License-Identifier: Apache-2.0
// A view of a tensor that ends with the line.
// expect: molmo: this tensor is gone at the end of the line, and its views with it
#include <molmo/core/tensor.hpp>
#include <molmo/core/views.hpp>

float run() {
#ifdef MOLMO_MISTAKE
  const auto v = molmo::columns<0, 8>(molmo::Tensor<float, 4, 16>{});
#else
  molmo::Tensor<float, 4, 16> x;
  const auto v = molmo::columns<0, 8>(x);
#endif
  return v(3, 7);
}
