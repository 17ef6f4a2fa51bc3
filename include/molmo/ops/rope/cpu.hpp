// SPDX-License-Identifier: Apache-2.0
// RoPE on Xsimd: one pass, registers of pairs, tokens shared among the threads when there are many.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/rope/rope.hpp>

namespace molmo::inline v0 {

template <class Arch>
void rope(const Xsimd<Arch>& cpu, const RopeHeads& a) {
  using V = Lanes<Arch>;
  const index_t half = a.head_dim / 2;
  cpu.parallel_if(a.tokens > 1 && a.tokens * a.heads * a.head_dim >= parallel_pass_elements, [&](int part, int parts) {
    const Range mine = split(a.tokens, part, parts);
    for (index_t t = mine.begin; t < mine.end; ++t)
      for (index_t h = 0; h < a.heads; ++h) {
        const float* x = a.x + t * a.x_token + h * a.x_head;
        float* y = a.y + t * a.y_token + h * a.y_head;
        const float* cosines = a.cosines + t * half;
        const float* sines = a.sines + t * half;
        index_t i = 0;
        for (; i + V::size <= half; i += V::size) {
          const V c = V::load(cosines + i), s = V::load(sines + i);
          const V low = V::load(x + i), high = V::load(x + half + i);
          (low * c - high * s).store(y + i);
          (high * c + low * s).store(y + half + i);
        }
        if (i < half) {
          const int count = static_cast<int>(half - i);
          const V c = V::load(cosines + i, count), s = V::load(sines + i, count);
          const V low = V::load(x + i, count), high = V::load(x + half + i, count);
          (low * c - high * s).store(y + i, count);
          (high * c + low * s).store(y + half + i, count);
        }
      }
  });
}

}  // namespace molmo::inline v0
