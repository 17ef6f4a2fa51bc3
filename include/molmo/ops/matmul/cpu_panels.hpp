// SPDX-License-Identifier: Apache-2.0
// matmul by register tiles (cpu_tile.hpp), for matrices in panels and for many rows of x, whatever the format and
// layout.
//
//   in panels, plain numbers   tiles read the matrix where it lies, for any number of rows
//   anything else              48 weight rows x 512 inputs are unpacked to f32 panels once per 256 rows of x, then the
//                              tiles run on those: every format reaches the f32 rate
// Panels and sums live in lent memory (backend/scratch.hpp); where there is none, narrower ones live on the stack,
// which takes longer and gives the same bits.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/matmul/cpu_tile.hpp>
#include <molmo/ops/matmul/cpu_unpack.hpp>
#include <molmo/ops/matmul/matmul.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// The part of a row of sums that is stored: y(m, n + i) = epilogue, i < count.
template <class V, class Out, class P>
MOLMO_INLINE void finish_row(const P& p, Out* y, index_t m, index_t n, index_t count, const float* sums) {
  index_t c = 0;
  for (; c + V::size <= count; c += V::size) p.finish(LanesAt<V>{m, n + c, V::load(sums + c)}).store(y + c);
  if (c < count) {
    const int tail = static_cast<int>(count - c);
    p.finish(TailAt<V>{m, n + c, tail, V::load(sums + c, tail)}).store(y + c, tail);
  }
}
template <class V, class P>
MOLMO_INLINE void finish_row(const P& p, index_t m, index_t n, index_t count, const float* sums) {
  finish_row<V>(p, p.y + m * p.stride + n, m, n, count, sums);
}

/// Up to a tile's rows of x against columns [begin, end), straight from panels of plain numbers. `begin` starts a
/// panel.
template <class V, class P>
void multiply_panels(const Rows& x, const P& p, index_t begin, index_t end) {
  using Table = const Tile(*)[TileShape<V>::most_panels];
  const Table tile = with_format(p.w.format, []<class F>(F) -> Table {
    if constexpr (PlainFormat<F>)
      return all_tiles<V, typename F::element>.of;
    else
      return nullptr;
  });
  if (x.m == 0) return;
  const index_t panel_bytes = p.w.row_bytes() * panel_rows;
  alignas(64) float sums[TileShape<V>::rows * TileShape<V>::most_columns];
  const TileRows<V> tiles{x.m};
  for (index_t n = begin; n < end;) {
    const index_t panels = (end - n + panel_rows - 1) / panel_rows;
    // All tiles of these columns take as many panels as the first, the tallest, can.
    const int taken = panels_taken<V>(static_cast<int>(tiles[0].end), panels);
    const index_t width = taken * panel_rows;
    const index_t count = end - n < width ? end - n : width;
    const std::byte* const w = p.w.data + n / panel_rows * panel_bytes;
    for (int t = 0; t < tiles.count(); ++t) {
      const Range r = tiles[t];
      tile[r.end - r.begin - 1][taken - 1](x.data + r.begin * x.stride, x.stride, x.k, w, panel_bytes, sums, width,
                                           true);
      for (index_t m = r.begin; m < r.end; ++m) finish_row<V>(p, m, n, count, sums + (m - r.begin) * width);
    }
    n += width;
  }
}

/// All rows of x against columns [begin, end), by unpacking the weights to f32 panels. `begin` starts a panel; `lent`
/// is a piece of scratch memory or null.
template <class V, class P>
MOLMO_NOINLINE void multiply_unpacked(const Rows& x, const P& p, index_t begin, index_t end, std::byte* lent) {
  constexpr index_t depth_most = 512;
  constexpr int panels = TileShape<V>::panels(TileShape<V>::rows);
  constexpr index_t panel_floats = depth_most * panel_rows;
  constexpr index_t panel_bytes = panel_floats * static_cast<index_t>(sizeof(float));
  constexpr index_t many_rows = 256, few_rows = TileShape<V>::rows;
  static_assert(static_cast<std::size_t>(panels * (panel_floats + many_rows * panel_rows)) * sizeof(float) <=
                Scratch::piece_bytes);
  alignas(64) float own[panel_floats + few_rows * panel_rows];
  const index_t rows_most = lent != nullptr ? many_rows : few_rows;
  const index_t width = lent != nullptr ? panels * panel_rows : panel_rows;
  float* const unpacked = lent != nullptr ? reinterpret_cast<float*>(lent) : own;
  float* const sums = unpacked + width * depth_most;
  const Unpack unpack = unpack_of<V>(p.w);
  for (index_t m0 = 0; m0 < x.m; m0 += rows_most) {
    const TileRows<V> tiles{x.m - m0 < rows_most ? x.m - m0 : rows_most};
    for (index_t n = begin; n < end; n += width) {
      const index_t count = end - n < width ? end - n : width;
      const index_t used = (count + panel_rows - 1) / panel_rows;
      for (index_t k = 0; k < x.k; k += depth_most) {
        const index_t depth = x.k - k < depth_most ? x.k - k : depth_most;
        for (index_t i = 0; i < used; ++i)
          unpack(p.w, n + i * panel_rows, k, depth, unpacked + i * depth_most * panel_rows);
        for (int t = 0; t < tiles.count(); ++t) {
          const Range r = tiles[t];
          const int rows = static_cast<int>(r.end - r.begin);
          for (index_t i = 0; i < used;) {
            const int taken = panels_taken<V>(rows, used - i);
            all_tiles<V, float>.of[rows - 1][taken - 1](
                x.data + (m0 + r.begin) * x.stride + k, x.stride, depth,
                reinterpret_cast<const std::byte*>(unpacked + i * depth_most * panel_rows), panel_bytes,
                sums + r.begin * width + i * panel_rows, width, k == 0);
            i += taken;
          }
        }
      }
      for (index_t m = 0; m < tiles.m; ++m) finish_row<V>(p, m0 + m, n, count, sums + m * width);
    }
  }
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
