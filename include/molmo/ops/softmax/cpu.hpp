// SPDX-License-Identifier: Apache-2.0
// softmax on Xsimd: three passes over a row (largest, exponentials and their sum, division), rows shared among threads.
// In 16 bits the exponentials are calculated twice, not stored between: so they are rounded once.
#pragma once

#include <molmo/backend/xsimd_rows.hpp>
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

namespace detail::inline MOLMO_ISA {

/// One row of bf16 or f16.
template <class V, class T>
void softmax_row_of_16_bits(const T* x, T* y, index_t width) {
  float largest = -std::numeric_limits<float>::infinity();
  for (index_t c = 0; c < width; ++c) largest = static_cast<float>(x[c]) > largest ? static_cast<float>(x[c]) : largest;
  if (largest == -std::numeric_limits<float>::infinity()) largest = 0;
  const V subtract = V::broadcast(largest);
  V sum = V::broadcast(0.0f);
  index_t c = 0;
  for (; c + V::size <= width; c += V::size) sum = sum + exp(V::load(x + c) - subtract);
  float total = reduce_add(sum);
  alignas(64) float rest[static_cast<std::size_t>(V::size)];
  const int count = static_cast<int>(width - c);
  exp(V::load(x + c, count) - subtract).store(rest);
  for (int i = 0; i < count; ++i) total += rest[i];
  const V inverse = V::broadcast(total == 0 ? 0.0f : 1.0f / total);
  for (c = 0; c + V::size <= width; c += V::size) (exp(V::load(x + c) - subtract) * inverse).store(y + c);
  for (int i = 0; i < count; ++i) rest[i] = total == 0 ? 0.0f : rest[i] * (1.0f / total);
  for (int i = 0; i < count; ++i) y[c + i] = T(rest[i]);
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch, class T>
  requires(sizeof(T) == 2)
void softmax_rows(const Xsimd<Arch>& cpu, const T* x, T* y, index_t rows, index_t width) {
  cpu.parallel_if(rows > 1 && rows * width >= parallel_pass_elements, [&](int part, int parts) {
    const Range mine = split(rows, part, parts);
    for (index_t r = mine.begin; r < mine.end; ++r)
      detail::softmax_row_of_16_bits<Lanes<Arch>>(x + r * width, y + r * width, width);
  });
}
/// Rows of double: the plain loop.
template <class Arch>
void softmax_rows(const Xsimd<Arch>&, const double* x, double* y, index_t rows, index_t width) {
  softmax_rows(Reference{}, x, y, rows, width);
}

}  // namespace molmo::inline v0
