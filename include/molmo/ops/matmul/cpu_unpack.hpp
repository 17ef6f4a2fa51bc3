// SPDX-License-Identifier: Apache-2.0
// Unpacking: 16 weight rows x `depth` inputs of any format and layout become one f32 panel, [k][16], for the tiles of
// many rows of x (cpu_panels.hpp). Paid once per 256 rows; only the rows of plain numbers have a fast transposition.
#pragma once

#include <molmo/backend/lanes.hpp>
#include <molmo/formats/panels.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// out[k][i] = weight row n + i, input k0 + k; rows past the last are zero. n starts a panel, k0 a block.
using Unpack = void (*)(const WeightMatrix& w, index_t n, index_t k0, index_t depth, float* out);

// An 8 x 8 block, transposed: out[j * stride + i] = in row i, element j.
template <class V, class W>
MOLMO_INLINE void transpose_block(const W* in, index_t in_stride, float* out, index_t out_stride) {
#if MOLMO_AVX2
  if constexpr (std::is_base_of_v<xsimd::avx2, typename V::arch> ||
                std::is_base_of_v<xsimd::avx512f, typename V::arch>) {
    using Eight = Lanes<xsimd::avx2>;
    __m256 r[8];
    MOLMO_UNROLL
    for (int i = 0; i < 8; ++i) r[i] = Eight::load(in + i * in_stride).v;
    __m256 t[8];
    MOLMO_UNROLL
    for (int i = 0; i < 4; ++i) {
      t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    MOLMO_UNROLL
    for (int h = 0; h < 2; ++h) {
      r[4 * h] = _mm256_shuffle_ps(t[4 * h], t[4 * h + 2], 0x44);
      r[4 * h + 1] = _mm256_shuffle_ps(t[4 * h], t[4 * h + 2], 0xee);
      r[4 * h + 2] = _mm256_shuffle_ps(t[4 * h + 1], t[4 * h + 3], 0x44);
      r[4 * h + 3] = _mm256_shuffle_ps(t[4 * h + 1], t[4 * h + 3], 0xee);
    }
    MOLMO_UNROLL
    for (int j = 0; j < 4; ++j) {
      _mm256_storeu_ps(out + j * out_stride, _mm256_permute2f128_ps(r[j], r[j + 4], 0x20));
      _mm256_storeu_ps(out + (j + 4) * out_stride, _mm256_permute2f128_ps(r[j], r[j + 4], 0x31));
    }
    return;
  }
#endif
  for (index_t i = 0; i < 8; ++i)
    for (index_t j = 0; j < 8; ++j) out[j * out_stride + i] = static_cast<float>(in[i * in_stride + j]);
}

// Plain numbers, row after row.
template <class V, class W>
MOLMO_NOINLINE void unpack_plain_rows(const WeightMatrix& matrix, index_t n, index_t k0, index_t depth, float* out) {
  const index_t stride = matrix.cols;
  const auto* w = reinterpret_cast<const W*>(matrix.data) + n * stride + k0;
  const index_t rows = matrix.rows - n < panel_rows ? matrix.rows - n : panel_rows;
  for (index_t i = 0; i < panel_rows; i += 8) {
    index_t k = 0;
    if (i + 8 <= rows)
      for (; k + 8 <= depth; k += 8)
        transpose_block<V>(w + i * stride + k, stride, out + k * panel_rows + i, panel_rows);
    for (; k < depth; ++k)
      for (index_t j = i; j < i + 8; ++j)
        out[k * panel_rows + j] = j < rows ? static_cast<float>(w[j * stride + k]) : 0.0f;
  }
}

// Plain numbers in panels.
template <class V, class W>
MOLMO_NOINLINE void unpack_plain_panel(const WeightMatrix& matrix, index_t n, index_t k0, index_t depth, float* out) {
  const auto* w = reinterpret_cast<const W*>(matrix.data) + n * matrix.cols + k0 * panel_rows;
  for (index_t i = 0; i < depth * panel_rows; i += V::size) V::load(w + i).store(out + i);
}

// Blocks in panels.
template <class F>
MOLMO_NOINLINE void unpack_block_panel(const WeightMatrix& matrix, index_t n, index_t k0, index_t depth, float* out) {
  constexpr index_t codes = F::bytes - 2;
  const index_t first = n / panel_rows * format_blocks<F>(matrix.cols) + k0 / F::block;
  for (index_t k = 0; k < depth; k += F::block) {
    const index_t at = first + k / F::block;
    float d[panel_rows];
    for (index_t r = 0; r < panel_rows; ++r) {
      f16 scale;
      std::memcpy(&scale, matrix.scales + (at * panel_rows + r) * 2, 2);
      d[r] = scale;
    }
    const std::byte* p = matrix.data + at * codes * panel_rows;
    float* const block = out + k * panel_rows;
    for (index_t b = 0; b < codes; ++b) {  // byte b of the block of each row
      if (k + b >= depth) break;
      const std::byte* of_row = p + b / 4 * 4 * panel_rows + b % 4;
      for (index_t r = 0; r < panel_rows; ++r) {
        const std::byte code = of_row[r * 4];
        if constexpr (F::bits == 8) {
          block[b * panel_rows + r] = d[r] * static_cast<float>(static_cast<signed char>(code));
        } else {
          block[b * panel_rows + r] = d[r] * static_cast<float>((static_cast<int>(code) & 15) - 8);
          if (k + b + 16 < depth)
            block[(b + 16) * panel_rows + r] = d[r] * static_cast<float>((static_cast<int>(code) >> 4) - 8);
        }
      }
    }
  }
}

// Everything else, row by row.
MOLMO_NOINLINE inline void unpack_any(const WeightMatrix& matrix, index_t n, index_t k0, index_t depth, float* out) {
  float weights[decoded_at_once] = {};
  for (index_t r = 0; r < panel_rows; ++r)
    for (index_t k = 0; k < depth; k += decoded_at_once) {
      const index_t count = depth - k < decoded_at_once ? depth - k : decoded_at_once;
      const bool there = n + r < matrix.rows;
      if (there) read_weights(matrix, n + r, k0 + k, count, weights);
      for (index_t i = 0; i < count; ++i) out[(k + i) * panel_rows + r] = there ? weights[i] : 0.0f;
    }
}

template <class V>
Unpack unpack_of(const WeightMatrix& matrix) {
  if (!is_listed(matrix.format)) return &unpack_any;
  return with_format(matrix.format, [&]<class F>(F) -> Unpack {
    if constexpr (PlainFormat<F>)
      return matrix.layout == Layout::panels ? &unpack_plain_panel<V, typename F::element>
                                             : &unpack_plain_rows<V, typename F::element>;
    else if constexpr (BlockFormat<F>)
      return matrix.layout == Layout::panels ? &unpack_block_panel<F> : &unpack_any;
    else
      return &unpack_any;
  });
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
