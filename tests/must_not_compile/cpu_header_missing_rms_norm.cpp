// SPDX-License-Identifier: Apache-2.0
// Xsimd without the header of its norm: the plain loop, 45 times slower, is not what anyone meant.
// needs: xsimd
// expect: molmo: Xsimd has a fast rms_norm in <molmo/ops/rms_norm/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

void normalise(const molmo::Xsimd<>& cpu, molmo::Tensor<float, 4, 64>& x) { on(cpu, x) = rms_norm(x, 1e-5); }
