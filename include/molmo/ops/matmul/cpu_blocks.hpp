// SPDX-License-Identifier: Apache-2.0
// matmul with weights in blocks of whole numbers (q8, q4) that lie in panels. Each row of x is rounded to bytes once, 32
// inputs to a scale of their own, shared by all products of that x; then
//
//   y[m, n] = sum over blocks b of  sx[m, b] sw[n, b] (sum over 32 k of qx[m, k] qw[n, k])
// with whole numbers inside the brackets: exact, so only the rounding of x costs anything:
// |error| <= sum over b of sx[m, b] / 2 * sum over 32 k of |w[n, k]|. Xsimd::exact() avoids it: cpu_panels.hpp then
// unpacks the weights to f32. The bytes lie on the stack (220 KB at most), and every thread rounds for itself, which is
// cheaper than waiting for another.
#pragma once

#include <molmo/backend/bytes.hpp>
#include <molmo/ops/matmul/cpu_panels.hpp>

namespace molmo::inline v0::detail {

/// Some rows of x as bytes: rows of `blocks` blocks of 32, the last one filled up with zeros.
struct ByteRows {
  static constexpr index_t most_blocks = 6144;  ///< 192 KB of bytes
  index_t blocks = 0;
  alignas(64) std::int8_t q[most_blocks * 32];
  float scale[most_blocks];
  std::int32_t minus_sum[most_blocks];

  /// Rows of x that fit, or 0.
  [[nodiscard]] static index_t rows(index_t k) { return most_blocks / ((k + 31) / 32); }
};

/// Rounds `count` rows of x from row m on.
template <class B>
void round_rows(const Rows& x, index_t m, index_t count, ByteRows& out) {
  out.blocks = (x.k + 31) / 32;
  for (index_t r = 0; r < count; ++r) {
    const float* row = x.data + (m + r) * x.stride;
    for (index_t b = 0; b < out.blocks; ++b) {
      const index_t at = r * out.blocks + b;
      QuantisedBlock block;
      if (b * 32 + 32 <= x.k) {
        block = B::quantise(row + b * 32, out.q + at * 32);
      } else {
        float last[32] = {};
        std::memcpy(last, row + b * 32, static_cast<std::size_t>(x.k - b * 32) * sizeof(float));
        block = B::quantise(last, out.q + at * 32);
      }
      out.scale[at] = block.scale;
      out.minus_sum[at] = block.minus_sum;
    }
  }
}

/// sums[r][c] of R rows of bytes and P panels; row 0 is x's row r0.
using ByteTile = void (*)(const ByteRows& x, index_t r0, const WeightMatrix& w, index_t n, float* sums,
                          index_t sums_stride);

template <class V, class B, class F, int R, int P>
void multiply_byte_tile(const ByteRows& x, index_t r0, const WeightMatrix& w, index_t n, float* sums,
                        index_t sums_stride) {
  constexpr index_t codes = F::bytes - 2, block_bytes = codes * panel_rows;
  constexpr int per_panel = static_cast<int>(panel_rows) / V::size;
  constexpr bool biased = F::bits == 4 || B::signed_bias;
  constexpr int shift = F::bits == 8 ? 7 : 3;  // the bias is 128 or 8
  const index_t blocks = x.blocks;
  const std::byte* const data = w.data + n / panel_rows * blocks * block_bytes;
  const auto* const scales = reinterpret_cast<const f16*>(w.scales) + n * blocks;
  V total[R][P * per_panel];
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) {
    MOLMO_UNROLL
    for (int c = 0; c < P * per_panel; ++c) total[r][c] = V::broadcast(0.0f);
  }
  for (index_t b = 0; b < blocks; ++b) {
    typename B::Sums s[R][P];
    const std::int8_t* q[R];
    MOLMO_UNROLL
    for (int r = 0; r < R; ++r) {
      const index_t at = (r0 + r) * blocks + b;
      q[r] = x.q + at * 32;
      const typename B::Sums first = biased ? B::template start<shift>(x.minus_sum[at]) : typename B::Sums{};
      MOLMO_UNROLL
      for (int p = 0; p < P; ++p) s[r][p] = first;
    }
    MOLMO_UNROLL
    for (int i = 0; i < codes / 4; ++i) {
      MOLMO_UNROLL
      for (int p = 0; p < P; ++p) {
        const std::byte* at = data + (p * blocks + b) * block_bytes + i * 64;
        if constexpr (F::bits == 8) {
          const typename B::Codes ws = B::load_signed(at);
          MOLMO_UNROLL
          for (int r = 0; r < R; ++r) B::add_signed(s[r][p], ws, q[r] + 4 * i);
        } else {
          typename B::Codes low, high;
          B::load_nibbles(at, low, high);
          MOLMO_UNROLL
          for (int r = 0; r < R; ++r) B::add_nibbles(s[r][p], low, q[r] + 4 * i, high, q[r] + 16 + 4 * i);
        }
      }
    }
    MOLMO_UNROLL
    for (int p = 0; p < P; ++p) {
      MOLMO_UNROLL
      for (int i = 0; i < per_panel; ++i) {
        const V ws = V::load(scales + (p * blocks + b) * panel_rows + i * V::size);
        MOLMO_UNROLL
        for (int r = 0; r < R; ++r) {
          V& t = total[r][p * per_panel + i];
          t = fma(B::floats(s[r][p], i), ws * V::broadcast(x.scale[(r0 + r) * blocks + b]), t);
        }
      }
    }
  }
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) {
    MOLMO_UNROLL
    for (int c = 0; c < P * per_panel; ++c) total[r][c].store(sums + r * sums_stride + c * V::size);
  }
}

template <class V, class B, class F, int R, int P = B::panels(R)>
ByteTile byte_tile_of_panels(index_t panels, int& taken) {
  if constexpr (P > 1) {
    if (panels < P) return byte_tile_of_panels<V, B, F, R, P - 1>(panels, taken);
  }
  taken = P;
  return &multiply_byte_tile<V, B, F, R, P>;
}
template <class V, class B, class F, int R = 1>
ByteTile byte_tile_of(int rows, index_t panels, int& taken) {
  if constexpr (R < B::tile_rows) {
    if (rows > R) return byte_tile_of<V, B, F, R + 1>(rows, panels, taken);
  }
  return byte_tile_of_panels<V, B, F, R>(panels, taken);
}

/// Rows [m0, m0 + count) of x, rounded to bytes, against columns [begin, end). `begin` starts a panel.
template <class V, class B, class P>
void multiply_blocks(const ByteRows& x, index_t m0, index_t count, const P& p, index_t begin, index_t end) {
  using Pick = ByteTile (*)(int, index_t, int&);
  const Pick pick = with_format(p.w.format, []<class F>(F) -> Pick {
    if constexpr (BlockFormat<F>)
      return &byte_tile_of<V, B, F>;
    else
      return nullptr;
  });
  constexpr index_t widest = B::panels(1) * panel_rows;
  alignas(64) float sums[static_cast<std::size_t>(B::tile_rows * widest)];
  const int tiles = static_cast<int>((count + B::tile_rows - 1) / B::tile_rows);
  for (index_t n = begin; n < end;) {
    int taken = 0;
    for (int t = 0; t < tiles; ++t) {  // all tiles take as many panels as the first, the tallest
      const Range r = split(count, t, tiles);
      const index_t panels = t == 0 ? (end - n + panel_rows - 1) / panel_rows : index_t{taken};
      const ByteTile tile = pick(static_cast<int>(r.end - r.begin), panels, taken);
      const index_t width = taken * panel_rows;
      tile(x, r.begin, p.w, n, sums, width);
      const index_t stored = end - n < width ? end - n : width;
      for (index_t m = r.begin; m < r.end; ++m) finish_row<V>(p, m0 + m, n, stored, sums + (m - r.begin) * width);
    }
    n += taken * panel_rows;
  }
}

}  // namespace molmo::inline v0::detail
