// SPDX-License-Identifier: Apache-2.0
// The register tile of matmul: R rows of x times P panels of 16 weight rows (formats/panels.hpp), all sums in
// registers.
//
//   per k:  P panel loads and R broadcasts feed R * P multiply-adds of 16 lanes; nothing is added across a register
// With 512-bit registers 8 x 3 panels fill 24 of 32 registers and reach 90 % of the multiply-add peak from L2 (12 x 2:
// 70 %, 6 x 4: 80 %; measured). With 256 bits it is 6 x 1 panel, 12 of 16 registers. One row walks 4 panels, which
// reads L2 at full speed; 8 or more streams only pay in main memory. An output is one sum over k in ascending order in
// every tile, so its bits depend neither on the tile nor on the neighbours.
#pragma once

#include <molmo/backend/lanes.hpp>
#include <molmo/backend/reference.hpp>
#include <molmo/formats/panels.hpp>

#include <utility>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// The sizes of tiles, for a register of V::size floats.
template <class V>
struct TileShape {
  static_assert(V::size <= static_cast<int>(panel_rows),
                "molmo: the tiles of matmul have no registers of more than 16 floats");
  static constexpr int registers = static_cast<int>(panel_rows) / V::size;  ///< of one panel
  static constexpr int rows = V::size == 16 ? 8 : V::size == 8 ? 6 : 3;     ///< of x, at most
  /// Panels beside each other under `r` rows, at most; one row also takes every smaller number, more rows take 1.
  static constexpr int panels(int r) {
    if (V::size == 16) return r == 1 ? 4 : 3;
    if (V::size == 8) return r == 1 ? 4 : r <= 3 ? 2 : 1;
    return r == 1 ? 2 : 1;
  }
  static constexpr int most_panels = V::size == 4 ? 2 : 4;
  static constexpr index_t most_columns = most_panels * panel_rows;
};

/// sums[r][c] = x[r] . w[c] over `depth` inputs, added to what is there unless `first`. Panels lie `panel_bytes` apart.
using Tile = void (*)(const float* x, index_t x_stride, index_t depth, const std::byte* w, index_t panel_bytes,
                      float* sums, index_t sums_stride, bool first);

template <class V, class W, int R, int P>
MOLMO_NOINLINE void multiply_tile(const float* x, index_t x_stride, index_t depth, const std::byte* w,
                                  index_t panel_bytes, float* sums, index_t sums_stride, bool first) {
  constexpr int per_panel = TileShape<V>::registers;
  constexpr int columns = P * per_panel;
  const W* panel[P];
  MOLMO_UNROLL
  for (int p = 0; p < P; ++p) panel[p] = reinterpret_cast<const W*>(w + p * panel_bytes);
  V a[R][columns];
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) {
    MOLMO_UNROLL
    for (int c = 0; c < columns; ++c)
      a[r][c] = first ? V::broadcast(0.0f) : V::load(sums + r * sums_stride + c * V::size);
  }
  const auto step = [&](index_t k) {
    V ws[columns];
    MOLMO_UNROLL
    for (int c = 0; c < columns; ++c) ws[c] = V::load(panel[c / per_panel] + k * panel_rows + c % per_panel * V::size);
    MOLMO_UNROLL
    for (int r = 0; r < R; ++r) {
      const V xs = V::broadcast(x[r * x_stride + k]);
      MOLMO_UNROLL
      for (int c = 0; c < columns; ++c) a[r][c] = fma(xs, ws[c], a[r][c]);
    }
  };
  constexpr int at_once = R == 1 ? 8 : 1;  // one row: 1.4 times faster from L2 than step by step
  index_t k = 0;
  for (; k + at_once <= depth; k += at_once) {
    MOLMO_UNROLL
    for (int i = 0; i < at_once; ++i) step(k + i);
  }
  if constexpr (at_once > 1) {
    for (; k < depth; ++k) step(k);
  }
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) {
    MOLMO_UNROLL
    for (int c = 0; c < columns; ++c) a[r][c].store(sums + r * sums_stride + c * V::size);
  }
}

/// multiply_tile<V, W, rows, panels> for the sizes of TileShape<V>, null for others.
template <class V, class W>
struct Tiles {
  Tile of[TileShape<V>::rows][TileShape<V>::most_panels] = {};

  constexpr Tiles() { fill(std::make_integer_sequence<int, TileShape<V>::rows>{}); }

 private:
  template <int... R>
  constexpr void fill(std::integer_sequence<int, R...>) {
    (fill_row<R>(std::make_integer_sequence<int, TileShape<V>::panels(R + 1)>{}), ...);
  }
  template <int R, int... P>
  constexpr void fill_row(std::integer_sequence<int, P...>) {
    ((of[R][P] = tile<R + 1, P + 1>()), ...);
  }
  template <int R, int P>
  static constexpr Tile tile() {
    if constexpr (R == 1 || P == 1 || P == TileShape<V>::panels(R))
      return &multiply_tile<V, W, R, P>;
    else
      return nullptr;
  }
};
template <class V, class W>
inline constexpr Tiles<V, W> all_tiles{};

/// How many of `panels` panels the widest tile of `rows` rows takes.
template <class V>
[[nodiscard]] constexpr int panels_taken(int rows, index_t panels) {
  const int most = TileShape<V>::panels(rows);
  return panels >= most ? most : rows == 1 ? static_cast<int>(panels) : 1;
}

/// How `m` rows of x are cut into tiles of nearly equal height: 13 rows are 7 + 6, not 8 + 5.
template <class V>
struct TileRows {
  index_t m;
  [[nodiscard]] int count() const { return static_cast<int>((m + TileShape<V>::rows - 1) / TileShape<V>::rows); }
  [[nodiscard]] Range operator[](int i) const { return split(m, i, count()); }
};

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
