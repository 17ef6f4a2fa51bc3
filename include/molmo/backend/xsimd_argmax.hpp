// SPDX-License-Identifier: Apache-2.0
// argmax on Xsimd: a register is calculated at a time; only where one of its lanes goes before the largest so far are
// they looked at one by one, which in most rows happens a few times.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/expr/argmax.hpp>

namespace molmo::inline v0 {

template <class Arch, class F, class E>
void find_largest(const Xsimd<Arch>& cpu, detail::Largest<F>& so_far, const E& erased, index_t r, index_t cols) {
  if constexpr (std::is_same_v<F, double>) {
    find_largest(static_cast<const Reference&>(cpu), so_far, erased, r, cols);
  } else {
    using V = Lanes<Arch>;
    alignas(64) float lane[static_cast<std::size_t>(V::size)];
    index_t c = 0;
    for (; c + V::size <= cols; c += V::size) {
      erased.eval(LanesAt<V>{r, c, V{}}).store(lane);
      bool any = so_far.at < 0;
      for (const float x : lane) any |= so_far.yields_to(x);
      if (any)
        for (int i = 0; i < V::size; ++i) so_far.offer(lane[i], r * cols + c + i);
    }
    if (c == cols) return;
    const int count = static_cast<int>(cols - c);
    erased.eval(TailAt<V>{r, c, count, V{}}).store(lane);
    for (int i = 0; i < count; ++i) so_far.offer(lane[i], r * cols + c + i);
  }
}

}  // namespace molmo::inline v0
