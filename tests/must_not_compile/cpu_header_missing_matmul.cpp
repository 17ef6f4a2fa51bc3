// SPDX-License-Identifier: Apache-2.0
// Xsimd without the header of its products.
// needs: xsimd
// expect: molmo: Xsimd has a fast matmul in <molmo/ops/matmul/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/matmul/matmul.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

void project(const molmo::Xsimd<>& cpu, molmo::Tensor<float, 4, 64>& y, const molmo::Tensor<float, 4, 32>& x,
             const molmo::Tensor<float, 64, 32>& w) {
  on(cpu, y) = matmul(x, w);
}
