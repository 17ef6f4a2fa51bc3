// SPDX-License-Identifier: Apache-2.0
// EigenCpu without the header of its products.
// needs: eigen
// expect: molmo: EigenCpu's matmul is in <molmo/ops/matmul/eigen.hpp>, which is not included; include <molmo/eigen.hpp>
#include <molmo/backend/eigen.hpp>
#include <molmo/ops/matmul/matmul.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/eigen.hpp>
#endif

void project(const molmo::EigenCpu& cpu, molmo::Tensor<float, 4, 64>& y, const molmo::Tensor<float, 4, 32>& x,
             const molmo::Tensor<float, 64, 32>& w) {
  on(cpu, y) = matmul(x, w);
}
