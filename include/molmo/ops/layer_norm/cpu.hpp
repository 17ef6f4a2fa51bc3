// SPDX-License-Identifier: Apache-2.0
// LayerNorm on Xsimd: passes over a row that stays in the L1 cache. The mean is found in two steps, the sum of what is
// left after the first being the correction, so that a row far from zero loses no digits.
#pragma once

#include <molmo/backend/row_sum.hpp>
#include <molmo/backend/xsimd_rows.hpp>
#include <molmo/ops/layer_norm/layer_norm.hpp>

namespace molmo::inline v0 {

/// Rows of f32, bf16 or f16, with f32 statistics.
template <class Arch, class T>
void layer_norm_rows(const Xsimd<Arch>& cpu, const NormRows<T>& a) {
  using V = Lanes<Arch>;
  const bool rounded = a.order == NormOrder::cast_then_scale;  // before it is scaled
  const float width = static_cast<float>(a.width);
  cpu.parallel_if(a.rows > 1 && a.rows * a.width >= parallel_pass_elements, [&](int part, int parts) {
    const Range mine = split(a.rows, part, parts);
    for (index_t r = mine.begin; r < mine.end; ++r) {
      const T* x = a.x + r * a.stride;
      T* y = a.y + r * a.stride;
      const float rough = detail::sum_over_row<V>(x, a.width, [](V v) { return v; }) / width;
      const V m = V::broadcast(rough);
      const float rest = detail::sum_over_row<V>(x, a.width, [m](V v) { return v - m; }) / width;
      const V d = V::broadcast(rest);
      const float variance =
          detail::sum_over_row<V>(x, a.width, [m, d](V v) { return ((v - m) - d) * ((v - m) - d); }) / width;
      const float scale = 1.0f / std::sqrt(variance + static_cast<float>(a.eps));
      const V s = V::broadcast(scale);
      index_t c = 0;
      for (; c + V::size <= a.width; c += V::size) {
        const V n = ((V::load(x + c) - m) - d) * s;
        detail::store_scaled(n, y + c, a.weight ? a.weight + c : nullptr, a.bias ? a.bias + c : nullptr, rounded);
      }
      for (; c < a.width; ++c) y[c] = detail::scale_norm(((static_cast<float>(x[c]) - rough) - rest) * scale, a, c);
    }
  });
}
/// Rows of double: the plain loop.
template <class Arch>
void layer_norm_rows(const Xsimd<Arch>& cpu, const NormRows<double>& a) {
  layer_norm_rows(static_cast<const Reference&>(cpu), a);
}

}  // namespace molmo::inline v0
