// SPDX-License-Identifier: Apache-2.0
// softmax on Xsimd: three passes over a row (largest, exponentials and their sum, division), rows shared among threads.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/softmax/softmax.hpp>

namespace molmo::inline v0 {

template <class Arch>
void softmax_rows(const Xsimd<Arch>& cpu, const float* x, float* y, index_t rows, index_t width) {
  using V = Lanes<Arch>;
  cpu.parallel_if(rows > 1 && rows * width >= parallel_pass_elements, [&](int part, int parts) {
    const Range mine = split(rows, part, parts);
    for (index_t r = mine.begin; r < mine.end; ++r) {
      const float* in = x + r * width;
      float* out = y + r * width;
      float largest = -std::numeric_limits<float>::infinity();
      for (index_t c = 0; c < width; ++c) largest = in[c] > largest ? in[c] : largest;
      if (largest == -std::numeric_limits<float>::infinity()) largest = 0;
      const V subtract = V::broadcast(largest);
      V sum = V::broadcast(0.0f);
      index_t c = 0;
      for (; c + V::size <= width; c += V::size) {
        const V e = exp(V::load(in + c) - subtract);
        e.store(out + c);
        sum = sum + e;
      }
      float total = reduce_add(sum);
      if (c < width) {
        const int count = static_cast<int>(width - c);
        exp(V::load(in + c, count) - subtract).store(out + c, count);
        for (; c < width; ++c) total += out[c];
      }
      const float inverse = total == 0 ? 0.0f : 1.0f / total;
      for (c = 0; c < width; ++c) out[c] *= inverse;
    }
  });
}

}  // namespace molmo::inline v0
