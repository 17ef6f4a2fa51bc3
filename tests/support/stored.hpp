// SPDX-License-Identifier: Apache-2.0
// A random weight matrix with a format and a layout known at run time, in memory of exactly its size, so that a
// sanitizer finds a read behind it.
#pragma once

#include <molmo/formats/panels.hpp>

#include "support/random.hpp"

#include <cstring>
#include <vector>

namespace molmo_test {

struct Stored {
  std::vector<std::byte> bytes, scales;
  molmo::WeightMatrix m;

  Stored(Random& random, molmo::FormatId format, molmo::index_t rows, molmo::index_t cols,
         molmo::Layout layout = molmo::Layout::rows) {
    using namespace molmo;
    with_format(format, [&]<class F>(F) {
      bytes.resize(static_cast<std::size_t>(rows * format_bytes<F>(cols)));
      for (index_t n = 0; n < rows; ++n) {
        const auto row = random.numbers(cols);
        std::byte* out = bytes.data() + n * format_bytes<F>(cols);
        if constexpr (BlockFormat<F>) {
          encode_row<F>(row.data(), cols, out);
        } else {
          for (index_t k = 0; k < cols; ++k) {
            const typename F::element x(row[static_cast<std::size_t>(k)]);
            std::memcpy(out + k * F::bytes, &x, sizeof x);
          }
        }
      }
    });
    m = {bytes.data(), format, rows, cols};
    if (layout == Layout::rows) return;
    const PanelBytes sizes = panel_bytes(format, rows, cols);
    std::vector<std::byte> data(static_cast<std::size_t>(sizes.data));
    scales.resize(static_cast<std::size_t>(sizes.scales));
    pack_panels(m, data.data(), scales.data());
    bytes = std::move(data);
    m = {bytes.data(), format, rows, cols, Layout::panels, scales.empty() ? nullptr : scales.data()};
  }
  Stored(const Stored&) = delete;
  Stored& operator=(const Stored&) = delete;
};

}  // namespace molmo_test
