// SPDX-License-Identifier: Apache-2.0
// The sum of a function of the elements of one row, in SIMD registers and in one fixed order, and the store of what was
// normalised: what norms need.
#pragma once

#include <molmo/backend/lanes.hpp>
#include <molmo/core/shape.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// Four registers of e(x) summed over a row, then across lanes, in a fixed order.
template <class V, class T, class Body>
MOLMO_INLINE float sum_over_row(const T* x, index_t width, Body e) {
  V a[4];
  MOLMO_UNROLL
  for (V& sum : a) sum = V::broadcast(0.0f);
  index_t c = 0;
  for (; c + 4 * V::size <= width; c += 4 * V::size) {
    MOLMO_UNROLL
    for (int i = 0; i < 4; ++i) a[i] = a[i] + e(V::load(x + c + i * V::size));
  }
  for (; c + V::size <= width; c += V::size) a[0] = a[0] + e(V::load(x + c));
  float total = reduce_add((a[0] + a[1]) + (a[2] + a[3]));
  for (; c < width; ++c) {
    alignas(64) float one[static_cast<std::size_t>(V::size)];
    e(V::broadcast(static_cast<float>(x[c]))).store(one);
    total += one[0];
  }
  return total;
}

/// y = n * weight + bias, either of them or both null. In 16 bits `rounded` says that n is rounded to them before it is
/// multiplied.
template <class V, class T>
MOLMO_INLINE void store_scaled(V n, T* y, const float* weight, const float* bias, [[maybe_unused]] bool rounded) {
  if constexpr (!std::is_same_v<T, float>)
    if (weight && rounded) {
      n.store(y);
      n = V::load(y);
    }
  if (weight) n = n * V::load(weight);
  if (bias) n = n + V::load(bias);
  n.store(y);
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
