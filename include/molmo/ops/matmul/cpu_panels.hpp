// SPDX-License-Identifier: Apache-2.0
// matmul for many rows of x (prefill): weights are decoded into a packed f32 panel once per several hundred rows, then a
// register-tiled kernel runs at the multiply-add rate of the machine, the same for every weight format.
//
//   panel  depth x width floats, width = two registers, [k][n]; lies in the L1/L2 cache of the thread that packed it
//   tile   up to 12 rows of x times the panel, in 24 registers (6 rows, 12 registers, where there are only 16)
// Panels and sums live on the stack (96 KB), so nothing is allocated and nothing is shared. Each output is one sum over
// k in ascending order; who computes it and with how many neighbours makes no difference to its bits.
#pragma once

#include <molmo/ops/matmul/cpu_rows.hpp>

namespace molmo::inline v0::detail {

template <class V>
struct PanelSizes {
  static constexpr index_t width = 2 * V::size;      ///< columns of y
  static constexpr int tile = V::size > 8 ? 12 : 6;  ///< rows of x held in registers
  static constexpr index_t depth = 256;              ///< k at a time: the panel is 32 KB with 512-bit registers
  static constexpr index_t rows = 512;               ///< rows of x per packed panel
};

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

/// panel[k][i] = weight row n + i, element k0 + k, for `cols` weight rows (the rest of the panel is zero).
template <class V, class F>
void pack_panel(const WeightMatrix& matrix, index_t n, index_t k0, index_t cols, index_t depth, float* panel) {
  constexpr index_t width = PanelSizes<V>::width;
  const index_t stride = matrix.cols;
  const auto* w = reinterpret_cast<const typename F::element*>(matrix.data) + n * stride + k0;
  for (index_t i = 0; i < width; i += 8) {
    const index_t count = cols - i < 8 ? cols - i : 8;
    index_t k = 0;
    if (count == 8)
      for (; k + 8 <= depth; k += 8) transpose_block<V>(w + i * stride + k, stride, panel + k * width + i, width);
    for (; k < depth; ++k)
      for (index_t j = 0; j < 8; ++j)
        panel[k * width + i + j] = j < count ? static_cast<float>(w[(i + j) * stride + k]) : 0.0f;
  }
}

/// sums[m][n] (+)= x[m][k] panel[k][n] for R rows of x.
template <class V, int R>
void multiply_tile(const float* x, index_t x_stride, index_t depth, const float* panel, float* sums, bool first) {
  constexpr index_t width = PanelSizes<V>::width;
  V a[R][2];
  MOLMO_UNROLL
  for (int m = 0; m < R; ++m) {
    a[m][0] = first ? V::broadcast(0.0f) : V::load(sums + m * width);
    a[m][1] = first ? V::broadcast(0.0f) : V::load(sums + m * width + V::size);
  }
  for (index_t k = 0; k < depth; ++k) {
    const V w0 = V::load(panel + k * width);
    const V w1 = V::load(panel + k * width + V::size);
    MOLMO_UNROLL
    for (int m = 0; m < R; ++m) {
      const V xs = V::broadcast(x[m * x_stride + k]);
      a[m][0] = fma(xs, w0, a[m][0]);
      a[m][1] = fma(xs, w1, a[m][1]);
    }
  }
  MOLMO_UNROLL
  for (int m = 0; m < R; ++m) {
    a[m][0].store(sums + m * width);
    a[m][1].store(sums + m * width + V::size);
  }
}

/// multiply_tile<V, rows> for rows in [1, R].
template <class V, int R>
void multiply_some_rows(int rows, const float* x, index_t x_stride, index_t depth, const float* panel, float* sums,
                        bool first) {
  if (rows == R)
    multiply_tile<V, R>(x, x_stride, depth, panel, sums, first);
  else if constexpr (R > 1)
    multiply_some_rows<V, R - 1>(rows, x, x_stride, depth, panel, sums, first);
}

/// All rows of x against weight rows [begin, end). Only pack_panel knows the weight format.
template <class V, class Out, class E>
void multiply_many_rows(const Rows& x, const Product<Out, E>& p, index_t begin, index_t end) {
  using Sizes = PanelSizes<V>;
  using Pack = void (*)(const WeightMatrix&, index_t, index_t, index_t, index_t, float*);
  alignas(64) float panel[Sizes::depth * Sizes::width];
  alignas(64) float sums[Sizes::rows * Sizes::width];
  const Pack pack = with_format(p.w.format, []<class F>(F) -> Pack {
    if constexpr (requires { typename F::element; })
      return &pack_panel<V, F>;
    else
      return nullptr;
  });
  for (index_t m0 = 0; m0 < x.m; m0 += Sizes::rows) {
    const index_t rows = x.m - m0 < Sizes::rows ? x.m - m0 : Sizes::rows;
    const index_t tiles = (rows + Sizes::tile - 1) / Sizes::tile;
    for (index_t n = begin; n < end; n += Sizes::width) {
      const index_t cols = end - n < Sizes::width ? end - n : Sizes::width;
      for (index_t k = 0; k < x.k; k += Sizes::depth) {
        const index_t depth = x.k - k < Sizes::depth ? x.k - k : Sizes::depth;
        pack(p.w, n, k, cols, depth, panel);
        for (index_t t = 0; t < tiles; ++t) {  // tiles of nearly equal height: 13 rows are 7 + 6, not 12 + 1
          const Range r = split(rows, static_cast<int>(t), static_cast<int>(tiles));
          multiply_some_rows<V, Sizes::tile>(static_cast<int>(r.end - r.begin), x.data + (m0 + r.begin) * x.stride + k,
                                             x.stride, depth, panel, sums + r.begin * Sizes::width, k == 0);
        }
      }
      for (index_t m = 0; m < rows; ++m) finish_row<V>(p, m0 + m, n, cols, sums + m * Sizes::width);
    }
  }
}

}  // namespace molmo::inline v0::detail
