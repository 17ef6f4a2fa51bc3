// SPDX-License-Identifier: Apache-2.0
// The tables of RoPE are half as wide as a head.
// expect: molmo: rope\(x, cosines, sines\) needs floats x \[n, heads, d\]
#include <molmo/ops/rope/rope.hpp>

void run(molmo::View<float, molmo::Shape<molmo::dyn, 4, 16>> x, molmo::View<float, molmo::Shape<molmo::dyn, 16>> whole,
         molmo::View<float, molmo::Shape<molmo::dyn, 8>> half) {
#ifdef MOLMO_MISTAKE
  on(molmo::Reference{}, x) = molmo::rope(x, whole, whole);
#else
  on(molmo::Reference{}, x) = molmo::rope(x, half, half);
#endif
  (void)whole, (void)half;
}
