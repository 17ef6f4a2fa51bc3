// SPDX-License-Identifier: Apache-2.0
// Xsimd without the header of its row reductions.
// needs: xsimd
// expect: molmo: Xsimd has fast row reductions in <molmo/backend/xsimd_rows.hpp>, which is not included
#include <molmo/backend/xsimd.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

void normalise(const molmo::Xsimd<>& cpu, molmo::Tensor<float, 4, 64>& x) { on(cpu, x) = x * rsqrt(mean(x * x)); }
