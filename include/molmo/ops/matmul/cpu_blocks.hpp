// SPDX-License-Identifier: Apache-2.0
// matmul with weights in blocks of whole numbers (q8, q4) that lie in panels. Each row of x is rounded to bytes once,
// 32 inputs to a scale of their own, shared by all products of that x; then
//
//   y[m, n] = sum over blocks b of  sx[m, b] sw[n, b] (sum over 32 k of qx[m, k] qw[n, k])
// with whole numbers inside the brackets: exact, so only the rounding of x costs anything:
// |error| <= sum over b of sx[m, b] / 2 * sum over 32 k of |w[n, k]|. Xsimd::exact() avoids it: cpu_panels.hpp then
// unpacks the weights to f32. Every thread rounds for itself, which is cheaper than waiting for another; the bytes lie
// on the stack where x is small, else in lent memory (backend/scratch.hpp).
#pragma once

#include <molmo/backend/bytes.hpp>
#include <molmo/ops/matmul/cpu_panels.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// Some rows of x as bytes: rows of `blocks` blocks of 32, the last one filled up with zeros.
struct ByteRows {
  static constexpr index_t block_bytes = 32 + sizeof(float) + sizeof(std::int32_t);
  static constexpr index_t most_blocks = Scratch::piece_bytes / block_bytes;  ///< 6144
  static constexpr index_t stack_blocks = 512;                                ///< 20 KB
  index_t blocks, most;                                                       ///< of a row, and of all
  std::int8_t* q;
  float* scale;
  std::int32_t* minus_sum;

  /// In `memory`, 64-byte aligned: rows of k inputs, `most_` blocks in all, a multiple of 16.
  ByteRows(index_t k, std::byte* memory, index_t most_)
      : blocks(blocks_of(k)),
        most(most_),
        q(reinterpret_cast<std::int8_t*>(memory)),
        scale(reinterpret_cast<float*>(memory + most_ * 32)),
        minus_sum(reinterpret_cast<std::int32_t*>(memory + most_ * 36)) {}

  [[nodiscard]] static constexpr index_t blocks_of(index_t k) { return (k + 31) / 32; }
  /// Rows of x that fit, or 0.
  [[nodiscard]] index_t rows() const { return most / blocks; }
};

/// Rounds `count` rows of x from row m on.
template <class B>
void round_rows(const Rows& x, index_t m, index_t count, ByteRows& out) {
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
MOLMO_NOINLINE void multiply_byte_tile(const ByteRows& x, index_t r0, const WeightMatrix& w, index_t n, float* sums,
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

/// multiply_byte_tile<V, B, F, rows, panels>: one row takes any number of panels, more take the most or 1; others are
/// null.
template <class V, class B, class F>
struct ByteTiles {
  ByteTile of[B::tile_rows][B::panels(1)] = {};

  constexpr ByteTiles() { fill(std::make_integer_sequence<int, B::tile_rows>{}); }

 private:
  template <int... R>
  constexpr void fill(std::integer_sequence<int, R...>) {
    (fill_row<R>(std::make_integer_sequence<int, B::panels(R + 1)>{}), ...);
  }
  template <int R, int... P>
  constexpr void fill_row(std::integer_sequence<int, P...>) {
    ((of[R][P] = tile<R + 1, P + 1>()), ...);
  }
  template <int R, int P>
  static constexpr ByteTile tile() {
    if constexpr (R == 1 || P == 1 || P == B::panels(R))
      return &multiply_byte_tile<V, B, F, R, P>;
    else
      return nullptr;
  }
};
template <class V, class B, class F>
inline constexpr ByteTiles<V, B, F> all_byte_tiles{};

/// Rows [m0, m0 + count) of x, rounded to bytes, against columns [begin, end). `begin` starts a panel.
template <class V, class B, class P>
void multiply_blocks(const ByteRows& x, index_t m0, index_t count, const P& p, index_t begin, index_t end) {
  using Table = const ByteTile(*)[B::panels(1)];
  const Table tile = with_format(p.w.format, []<class F>(F) -> Table {
    if constexpr (BlockFormat<F>)
      return all_byte_tiles<V, B, F>.of;
    else
      return nullptr;
  });
  constexpr index_t widest = B::panels(1) * panel_rows;
  alignas(64) float sums[static_cast<std::size_t>(B::tile_rows * widest)];
  const int tiles = static_cast<int>((count + B::tile_rows - 1) / B::tile_rows);
  for (index_t n = begin; n < end;) {
    const index_t panels = (end - n + panel_rows - 1) / panel_rows;
    const int tallest = static_cast<int>(split(count, 0, tiles).end);
    const index_t most = B::panels(tallest);
    const index_t taken = panels >= most ? most : tallest == 1 ? panels : 1;
    const index_t width = taken * panel_rows;
    const index_t stored = end - n < width ? end - n : width;
    for (int t = 0; t < tiles; ++t) {
      const Range r = split(count, t, tiles);
      tile[r.end - r.begin - 1][taken - 1](x, r.begin, p.w, n, sums, width);
      for (index_t m = r.begin; m < r.end; ++m) finish_row<V>(p, m0 + m, n, stored, sums + (m - r.begin) * width);
    }
    n += width;
  }
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
