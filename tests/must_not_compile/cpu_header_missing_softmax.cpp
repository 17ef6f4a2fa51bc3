// SPDX-License-Identifier: Apache-2.0
// Xsimd without the header of its softmax.
// needs: xsimd
// expect: molmo: Xsimd has a fast softmax in <molmo/ops/softmax/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/softmax/softmax.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

void weigh(const molmo::Xsimd<>& cpu, molmo::Tensor<float, 4, 64>& x) { on(cpu, x) = softmax(x); }
