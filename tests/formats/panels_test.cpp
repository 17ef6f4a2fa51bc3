// SPDX-License-Identifier: Apache-2.0
// Panels: packing keeps every stored byte, whatever the format and however odd the sizes; rows, blocks and slices read
// the same from both layouts; and the bytes lie where panels.hpp says they do.
#include <molmo/formats/panels.hpp>

#include "support/catch.hpp"
#include "support/compare.hpp"
#include "support/random.hpp"

#include <cstring>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

struct Packed {
  std::vector<std::byte> rows, data, scales;
  WeightMatrix plain, panels;

  Packed(FormatId format, index_t n, index_t k, std::uint64_t seed) {
    plain = {nullptr, format, n, k};
    rows.resize(static_cast<std::size_t>(n * plain.row_bytes()));
    Random random(seed);
    with_format(format, [&]<class F>(F) {
      for (index_t r = 0; r < n; ++r) {
        std::byte* row = rows.data() + r * plain.row_bytes();
        const std::vector<float> numbers = random.numbers(k);
        if constexpr (BlockFormat<F>) {
          encode_row<F>(numbers.data(), k, row);
        } else {
          for (index_t c = 0; c < k; ++c) {
            const typename F::element x(numbers[static_cast<std::size_t>(c)]);
            std::memcpy(row + c * F::bytes, &x, sizeof x);
          }
        }
      }
    });
    plain.data = rows.data();
    const PanelBytes bytes = panel_bytes(format, n, k);
    data.resize(static_cast<std::size_t>(bytes.data));
    scales.resize(static_cast<std::size_t>(bytes.scales));
    pack_panels(plain, data.data(), scales.data());
    panels = {data.data(), format, n, k, Layout::panels, scales.empty() ? nullptr : scales.data()};
  }
};

std::vector<float> row_of(const WeightMatrix& m, index_t n) {
  std::vector<float> out(static_cast<std::size_t>(m.cols));
  read_row(m, n, out.data());
  return out;
}

constexpr index_t odd_sizes[][2] = {{1, 1}, {16, 32}, {17, 33}, {15, 31}, {48, 40}, {61, 48}, {100, 7}, {3, 130}};

}  // namespace

TEST_CASE("panels: every row and every block read as before, and unpack to the same bytes") {
  for (int f = 0; f < Formats::size; ++f)
    for (const auto& [n, k] : odd_sizes) {
      const FormatId format = static_cast<FormatId>(f);
      CAPTURE(format_name(format), n, k);
      const Packed p(format, n, k, 3);
      for (index_t r = 0; r < n; ++r) REQUIRE_SAME_BITS(row_of(p.panels, r), row_of(p.plain, r));
      with_format(format, [&]<class F>(F) {
        float a[F::block], b[F::block];
        for (index_t r = 0; r < n; ++r)
          for (index_t c = 0; c < format_blocks<F>(k); ++c) {
            read_weights(p.plain, r, c * F::block, F::block, a);
            read_weights(p.panels, r, c * F::block, F::block, b);
            REQUIRE(std::memcmp(a, b, sizeof a) == 0);
          }
      });
      std::vector<std::byte> back(p.rows.size());
      unpack_panels(p.panels, back.data());
      REQUIRE(back == p.rows);
    }
}

TEST_CASE("panels: slices that begin at a panel") {
  for (int f = 0; f < Formats::size; ++f) {
    const Packed p(static_cast<FormatId>(f), 80, 70, 4);
    for (const index_t first : {0, 16, 48})
      for (const index_t count : {1, 16, 31}) {
        const WeightMatrix part = p.panels.slice(first, count), rows = p.plain.slice(first, count);
        for (index_t r = 0; r < count; ++r) REQUIRE_SAME_BITS(row_of(part, r), row_of(rows, r));
      }
  }
}

TEST_CASE("panels: packed piece by piece, in 16 rows or more, is packed at once") {
  for (int f = 0; f < Formats::size; ++f) {
    const Packed p(static_cast<FormatId>(f), 61, 45, 5);
    std::vector<std::byte> data, scales;
    for (const auto& [first, count] : {std::pair<index_t, index_t>{0, 32}, {32, 16}, {48, 13}}) {
      const PanelBytes bytes = panel_bytes(p.plain.format, count, 45);
      std::vector<std::byte> d(static_cast<std::size_t>(bytes.data)), s(static_cast<std::size_t>(bytes.scales));
      pack_panels(p.plain.slice(first, count), d.data(), s.data());
      data.insert(data.end(), d.begin(), d.end());
      scales.insert(scales.end(), s.begin(), s.end());
    }
    REQUIRE(data == p.data);
    REQUIRE(scales == p.scales);
  }
}

TEST_CASE("panels: the layout on disk") {
  // Weight [n, k] of plain numbers is data[n / 16][k][n % 16].
  const Packed f(format_id<F32>, 20, 5, 6);
  for (index_t n = 0; n < 20; ++n)
    for (index_t k = 0; k < 5; ++k) {
      float stored;
      std::memcpy(&stored, f.data.data() + ((n / 16 * 5 + k) * 16 + n % 16) * 4, 4);
      REQUIRE(stored == row_of(f.plain, n)[static_cast<std::size_t>(k)]);
    }
  // Rows 20 ... 31 are zeros.
  for (index_t i = 0; i < 5 * 16; ++i)
    for (index_t b = 0; b < 4; ++b)
      if (i % 16 >= 4) REQUIRE(f.data[static_cast<std::size_t>((5 * 16 + i) * 4 + b)] == std::byte{0});

  // Byte b of the codes of block c of row n is codes[n / 16][c][b / 4][n % 16][b % 4]; its scale is scales[n / 16][c][n
  // % 16].
  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    const Packed q(format, 20, 70, 7);
    const index_t bytes = format == format_id<Q8> ? 32 : 16;
    REQUIRE(q.data.size() == static_cast<std::size_t>(2 * 3 * bytes * 16));
    REQUIRE(q.scales.size() == std::size_t{2 * 3 * 16 * 2});
    for (index_t n = 0; n < 20; ++n)
      for (index_t c = 0; c < 3; ++c) {
        const std::byte* block = q.rows.data() + (n * 3 + c) * (2 + bytes);
        REQUIRE(std::memcmp(q.scales.data() + ((n / 16 * 3 + c) * 16 + n % 16) * 2, block, 2) == 0);
        for (index_t b = 0; b < bytes; ++b)
          REQUIRE(
              q.data[static_cast<std::size_t>((((n / 16 * 3 + c) * (bytes / 4) + b / 4) * 16 + n % 16) * 4 + b % 4)] ==
              block[2 + b]);
      }
  }
}
