// SPDX-License-Identifier: Apache-2.0
// The same work in both units, each with the SIMD backend of its own instruction set.
#pragma once

#include <molmo/backend/xsimd.hpp>

namespace {

float calculate() {
  using namespace molmo;
  const Xsimd cpu{2};
  Tensor<float, 1000> x, gate, y;
  for (index_t i = 0; i < 1000; ++i) {
    x[i] = 0.001f * static_cast<float>(i);
    gate[i] = 1;
  }
  on(cpu, y) = x + silu(gate) * x;
  return y[999];
}

}  // namespace
