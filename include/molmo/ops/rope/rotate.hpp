// SPDX-License-Identifier: Apache-2.0
// One head rotated with registers of the kind V (backend/lanes.hpp): the inner loop of rope.hpp, which ops/rope/cpu.hpp
// and the step that stores new keys (ops/attention/cpu_store.hpp) share.
#pragma once

#include <molmo/core/platform.hpp>
#include <molmo/core/shape.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// y = x rotated; y may be x. `cosines` and `sines` have `half` elements, x and y twice as many.
template <class V>
MOLMO_INLINE void rotate_head(const float* x, float* y, index_t half, const float* cosines, const float* sines) {
  index_t i = 0;
  for (; i + V::size <= half; i += V::size) {
    const V c = V::load(cosines + i), s = V::load(sines + i);
    const V low = V::load(x + i), high = V::load(x + half + i);
    (low * c - high * s).store(y + i);
    (high * c + low * s).store(y + half + i);
  }
  if constexpr (V::size == 16) {  // 512-bit registers are loaded in part as fast as in full
    if (i == half) return;
    const int count = static_cast<int>(half - i);
    const V c = V::load(cosines + i, count), s = V::load(sines + i, count);
    const V low = V::load(x + i, count), high = V::load(x + half + i, count);
    (low * c - high * s).store(y + i, count);
    (high * c + low * s).store(y + half + i, count);
  } else {
    for (; i < half; ++i) {
      const float low = x[i], high = x[half + i];
      y[i] = low * cosines[i] - high * sines[i];
      y[half + i] = high * cosines[i] + low * sines[i];
    }
  }
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
