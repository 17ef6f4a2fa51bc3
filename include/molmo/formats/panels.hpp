// SPDX-License-Identifier: Apache-2.0
// Panels: a weight matrix [N, K] with 16 rows interleaved, so that one SIMD register holds the same input of 16
// neighbouring outputs: a kernel streams through memory and never adds across a register.
//
//   plain numbers   data[N/16][K][16]
//   q8, q4          scales[N/16][K/32][16] in f16, and codes[N/16][K/32][B/4][16][4] in bytes, B = 32 or 16 bytes a
//                   block: byte b of the block of row n, in its format's order, is codes[n/16][block][b/4][n%16][b%4]
// N is filled up to 16 with zero rows and K to whole blocks with zeros. The layout is the same on every machine, so a
// file that holds it is mapped and used as it is. Packing keeps every value; it is done when small models are loaded
// (run/weights.hpp) and by `molmo quantize`.
#pragma once

#include <molmo/formats/weight.hpp>

#include <cstring>

namespace molmo::inline v0::inline MOLMO_ISA {

/// Bytes of the two parts of a matrix in panels.
struct PanelBytes {
  index_t data = 0, scales = 0;
};

[[nodiscard]] inline PanelBytes panel_bytes(FormatId format, index_t rows, index_t cols) {
  const index_t filled = (rows + panel_rows - 1) / panel_rows * panel_rows;
  return with_format(format, [&]<class F>(F) -> PanelBytes {
    if constexpr (BlockFormat<F>)
      return {filled * format_blocks<F>(cols) * (F::bytes - 2), filled * format_blocks<F>(cols) * 2};
    else
      return {filled * format_bytes<F>(cols), 0};
  });
}

/// Can matrices of this format be packed into panels? Those in a format of your own stay in rows.
[[nodiscard]] inline bool has_panels(FormatId format) {
  return is_listed(format) && with_format(format, []<class F>(F) { return PlainFormat<F> || BlockFormat<F>; });
}

/// The F::bytes bytes that store weights [b * F::block, (b + 1) * F::block) of row n, whatever the layout.
template <WeightFormat F>
void read_stored(const WeightMatrix& m, index_t n, index_t b, std::byte* out) {
  const index_t blocks = format_blocks<F>(m.cols);
  if (m.layout == Layout::rows) {
    std::memcpy(out, m.data + (n * blocks + b) * F::bytes, F::bytes);
  } else if constexpr (BlockFormat<F>) {
    constexpr index_t codes = F::bytes - 2;
    const index_t at = n / panel_rows * blocks + b;
    std::memcpy(out, m.scales + (at * panel_rows + n % panel_rows) * 2, 2);
    for (index_t i = 0; i < codes; i += 4)
      std::memcpy(out + 2 + i, m.data + at * codes * panel_rows + i * panel_rows + n % panel_rows * 4, 4);
  } else {
    std::memcpy(out, m.data + ((n / panel_rows * m.cols + b) * panel_rows + n % panel_rows) * F::bytes, F::bytes);
  }
}

/// Weights [k, k + count) of row n as floats, in any format and layout: what every plain loop reads. k starts a block;
/// the last block is written whole.
MOLMO_NOINLINE inline void read_weights(const WeightMatrix& m, index_t n, index_t k, index_t count, float* out) {
  if (const FormatTraits* const own = m.format.own()) {
    const std::byte* p = m.data + n * m.row_bytes() + k / own->block * own->bytes;
    for (index_t i = 0; i < count; i += own->block, p += own->bytes) own->decode(p, out + i);
    return;
  }
  with_format(m.format, [&]<class F>(F) {
    std::byte stored[F::bytes];
    for (index_t i = 0; i < count; i += F::block) {
      read_stored<F>(m, n, (k + i) / F::block, stored);
      F::decode(stored, out + i);
    }
  });
}

/// Row n as m.cols floats.
MOLMO_NOINLINE inline void read_row(const WeightMatrix& m, index_t n, float* out) {
  const index_t whole = m.cols / decoded_at_once * decoded_at_once;
  read_weights(m, n, 0, whole, out);
  if (whole == m.cols) return;
  float last[decoded_at_once];
  read_weights(m, n, whole, m.cols - whole, last);
  std::memcpy(out + whole, last, static_cast<std::size_t>(m.cols - whole) * sizeof(float));
}

/// Copies the rows of `from`, which lies row after row, into panels: `data` and `scales` are zeroed and have the bytes
/// of panel_bytes(format, rows, cols). A large matrix may be packed in pieces, each as a matrix of its own; all of them
/// but the last have a multiple of 16 rows.
inline void pack_panels(const WeightMatrix& from, std::byte* data, std::byte* scales) {
  with_format(from.format, [&]<class F>(F) {
    const index_t blocks = format_blocks<F>(from.cols);
    for (index_t first = 0; first < from.rows; first += panel_rows) {
      const std::byte* rows = from.data + first * blocks * F::bytes;
      const index_t here = from.rows - first < panel_rows ? from.rows - first : panel_rows;
      std::byte* to = data + first * blocks * (F::bytes - (BlockFormat<F> ? 2 : 0));
      if constexpr (BlockFormat<F>) {
        constexpr index_t codes = F::bytes - 2;
        for (index_t b = 0; b < blocks; ++b, to += codes * panel_rows)
          for (index_t r = 0; r < here; ++r) {
            const std::byte* block = rows + (r * blocks + b) * F::bytes;
            std::memcpy(scales + (first * blocks + b * panel_rows + r) * 2, block, 2);
            for (index_t i = 0; i < codes; i += 4) std::memcpy(to + i * panel_rows + r * 4, block + 2 + i, 4);
          }
      } else {
        constexpr index_t strip = 16;  // columns at a time, so that reads and writes stay in the L1 cache
        for (index_t k = 0; k < blocks; k += strip)
          for (index_t r = 0; r < here; ++r)
            for (index_t c = k; c < (k + strip < blocks ? k + strip : blocks); ++c)
              std::memcpy(to + (c * panel_rows + r) * F::bytes, rows + (r * blocks + c) * F::bytes, F::bytes);
      }
    }
  });
}

/// The other way round: `to` has from.rows * from.row_bytes() bytes.
inline void unpack_panels(const WeightMatrix& from, std::byte* to) {
  with_format(from.format, [&]<class F>(F) {
    const index_t blocks = format_blocks<F>(from.cols);
    for (index_t n = 0; n < from.rows; ++n)
      for (index_t b = 0; b < blocks; ++b, to += F::bytes) read_stored<F>(from, n, b, to);
  });
}

/// A row of floats in the format F, blocks filled up with zeros: `out` has format_bytes<F>(count) bytes.
template <BlockFormat F>
void encode_row(const float* in, index_t count, std::byte* out) {
  for (index_t k = 0; k < count; k += F::block, out += F::bytes) {
    float block[static_cast<std::size_t>(F::block)] = {};
    const index_t here = count - k < F::block ? count - k : F::block;
    std::memcpy(block, in + k, static_cast<std::size_t>(here) * sizeof(float));
    F::encode(block, out);
  }
}

}  // namespace molmo::inline v0::inline MOLMO_ISA
