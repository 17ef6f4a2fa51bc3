// SPDX-License-Identifier: Apache-2.0
// Xsimd without the header of its norm.
// needs: xsimd
// expect: molmo: Xsimd has a fast layer_norm in <molmo/ops/layer_norm/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/layer_norm/layer_norm.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

void normalise(const molmo::Xsimd<>& cpu, molmo::Tensor<float, 4, 64>& x) { on(cpu, x) = layer_norm(x, 1e-5); }
