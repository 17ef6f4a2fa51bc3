// SPDX-License-Identifier: Apache-2.0
// OneDnn without the header of its products: they would be those of Xsimd.
// needs: onednn
// expect: molmo: OneDnn's matmul is in <molmo/ops/matmul/onednn.hpp>, which is not included; include <molmo/onednn.hpp>
#include <molmo/backend/onednn.hpp>
#include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/onednn.hpp>
#endif

void project(const molmo::OneDnn<>& cpu, molmo::Tensor<float, 4, 64>& y, const molmo::Tensor<float, 4, 32>& x,
             const molmo::Tensor<float, 64, 32>& w) {
  on(cpu, y) = matmul(x, w);
}
