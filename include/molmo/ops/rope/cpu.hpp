// SPDX-License-Identifier: Apache-2.0
// RoPE on Xsimd: one pass, registers of pairs, tokens shared among the threads when there are many.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/rope/rope.hpp>
#include <molmo/ops/rope/rotate.hpp>

namespace molmo::inline v0 {

template <class Arch>
void rope(const Xsimd<Arch>& cpu, const RopeHeads& a) {
  const index_t half = a.head_dim / 2;
  cpu.parallel_if(a.tokens > 1 && a.tokens * a.heads * a.head_dim >= parallel_pass_elements, [&](int part, int parts) {
    const Range mine = split(a.tokens, part, parts);
    for (index_t t = mine.begin; t < mine.end; ++t)
      for (index_t h = 0; h < a.heads; ++h)
        detail::rotate_head<Lanes<Arch>>(a.x + t * a.x_token + h * a.x_head, a.y + t * a.y_token + h * a.y_head, half,
                                         a.cosines + t * half, a.sines + t * half);
  });
}

}  // namespace molmo::inline v0
