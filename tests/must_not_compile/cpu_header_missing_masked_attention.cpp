// SPDX-License-Identifier: Apache-2.0
// Attention with a mask on Xsimd without its loop.
// needs: xsimd
// expect: molmo: Xsimd has a fast attention with masks in <molmo/ops/attention/cpu_masked.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/attention/attend.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

using namespace molmo;

void run(const Xsimd<>& cpu, View<float, Shape<dyn, 2, 8>> x, View<float, Shape<dyn, 2, 8>> y) {
  on(cpu, y) = attend(x, x, x).where(causal);
}
