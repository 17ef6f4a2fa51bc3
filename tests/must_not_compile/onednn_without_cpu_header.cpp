// SPDX-License-Identifier: Apache-2.0
// OneDnn with its products alone: norms and softmax are those of Xsimd, in headers that cpu.hpp includes.
// needs: onednn
// expect: molmo: Xsimd has a fast softmax in <molmo/ops/softmax/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>
#include <molmo/ops/matmul/onednn.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/onednn.hpp>
#endif

void weigh(const molmo::OneDnn<>& cpu, molmo::Tensor<float, 4, 64>& x) { on(cpu, x) = softmax(x); }
