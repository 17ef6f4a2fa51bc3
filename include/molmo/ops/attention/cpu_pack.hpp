// SPDX-License-Identifier: Apache-2.0
// Tiles of keys and values that lie in tensors, made ready for the loops of cpu_tile.hpp:
//
//   pack_keys     16 keys side by side, as the cache keeps them: 4 x 4 transpositions in registers
//   copy_values   rows of values filled up to whole registers, where their width is no multiple of one
//   are_finite    is there no NaN and no infinity in these values? Then a weight of 0 hides a value
// A tile is packed once for all rows of a unit, and only when one of them sees it.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/attention/kv.hpp>

#include <cstring>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// Four floats of four rows, `distance` apart, become four floats of each of four columns, kv_panel apart.
MOLMO_INLINE void transpose_4x4(const float* from, index_t distance, float* to) {
  typedef float Four __attribute__((vector_size(16)));
  Four r[4];
  MOLMO_UNROLL
  for (int i = 0; i < 4; ++i) std::memcpy(&r[i], from + i * distance, sizeof(Four));
  const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const Four c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  const Four column[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                          __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  MOLMO_UNROLL
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * kv_panel, &column[i], sizeof(Four));
}

/// `count` keys of `width` floats, rows `distance` apart, as panels [count / 16][width][16]. What the last panel has
/// beyond them keeps its value.
inline void pack_keys(const float* from, index_t distance, index_t width, index_t count, float* to) {
  const index_t fours = count & ~index_t{3}, columns = width & ~index_t{3};
  for (index_t j = 0; j < fours; j += 4) {
    const float* rows = from + j * distance;
    float* panel = to + j / kv_panel * kv_panel * width + j % kv_panel;
    for (index_t i = 0; i < columns; i += 4) transpose_4x4(rows + i, distance, panel + i * kv_panel);
    for (index_t i = columns; i < width; ++i)
      for (index_t n = 0; n < 4; ++n) panel[i * kv_panel + n] = rows[n * distance + i];
  }
  for (index_t j = fours; j < count; ++j)
    for (index_t i = 0; i < width; ++i)
      to[j / kv_panel * kv_panel * width + j % kv_panel + i * kv_panel] = from[j * distance + i];
}

/// `count` rows of `width` floats, `distance` apart, to rows `room` apart.
inline void copy_values(const float* from, index_t distance, index_t width, index_t count, float* to, index_t room) {
  for (index_t j = 0; j < count; ++j)
    std::memcpy(to + j * room, from + j * distance, static_cast<std::size_t>(width) * sizeof(float));
}

/// Are `keys` values of `width` elements finite? Rows are `distance` elements apart; in panels they lie as keys do.
/// Codes of q8 always are: their scales belong to the weights.
template <class V, class E>
bool are_finite(const std::byte* values, index_t distance, index_t width, index_t keys, bool in_panels) {
  if constexpr (std::is_same_v<E, std::int8_t>) {
    return true;
  } else {
    const E* const v = reinterpret_cast<const E*>(values);
    const index_t rows = in_panels ? (keys + kv_panel - 1) / kv_panel * width : keys;
    V sum[4];  // 0 times what is not finite is NaN
    for (V& s : sum) s = V::broadcast(0.0f);
    const V zero = V::broadcast(0.0f);
    for (index_t r = 0; r < rows; ++r) {
      const index_t left = keys - r / width * kv_panel;
      const index_t count = !in_panels ? width : left < kv_panel ? left : kv_panel;
      const E* row = v + r * (in_panels ? kv_panel : distance);
      V& s = sum[r % 4];
      index_t c = 0;
      for (; c + V::size <= count; c += V::size) s = fma(V::load(row + c), zero, s);
      if (c < count) s = fma(V::load(row + c, static_cast<int>(count - c)), zero, s);
    }
    return reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3])) == 0;
  }
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
