// SPDX-License-Identifier: Apache-2.0
// Random matrices in every weight format, row after row and in panels, and how far a product is from the plain sums.
#pragma once

#include <molmo/bench/bandwidth.hpp>
#include <molmo/ops/matmul/matmul.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

namespace bench {

using molmo::AlignedBytes;
using molmo::FormatId;
using molmo::index_t;
using molmo::WeightMatrix;

/// `count` numbers between -1 and 1.
inline std::vector<float> random_floats(index_t count, unsigned seed) {
  std::vector<float> out(static_cast<std::size_t>(count));
  std::minstd_rand random(seed);
  for (float& v : out) v = static_cast<float>(random() % 4096) / 2048.0f - 1.0f;
  return out;
}

/// A matrix [n, k] and its memory; `copies` of it one after the other, for calls that must find nothing in a cache.
struct Matrix {
  AlignedBytes data, scales;
  WeightMatrix w;
  index_t copies = 1, data_bytes = 0, scale_bytes = 0;  ///< of one copy

  [[nodiscard]] bool ok() const { return data.data() != nullptr && (scale_bytes == 0 || scales.data() != nullptr); }
  [[nodiscard]] index_t bytes() const { return data_bytes + scale_bytes; }
  [[nodiscard]] WeightMatrix copy(index_t i) const {
    WeightMatrix m = w;
    m.data = data.data() + i * data_bytes;
    if (scale_bytes > 0) m.scales = scales.data() + i * scale_bytes;
    return m;
  }

  /// Allocates `copies` times the two parts of a copy.
  void reserve(index_t data_size, index_t scale_size, index_t count) {
    data_bytes = data_size, scale_bytes = scale_size, copies = count;
    data = AlignedBytes::zeroed(static_cast<std::size_t>(data_size * count), 1, &molmo::huge_pages());
    if (scale_size > 0)
      scales = AlignedBytes::zeroed(static_cast<std::size_t>(scale_size * count), 1, &molmo::huge_pages());
    w.data = data.data();
    w.scales = scale_size > 0 ? scales.data() : nullptr;
  }
  /// Makes all copies the first.
  void repeat() {
    for (index_t i = 1; i < copies; ++i) {
      std::memcpy(data.data() + i * data_bytes, data.data(), static_cast<std::size_t>(data_bytes));
      if (scale_bytes > 0)
        std::memcpy(scales.data() + i * scale_bytes, scales.data(), static_cast<std::size_t>(scale_bytes));
    }
  }
};

/// Random weights between -1 and 1, row after row.
inline Matrix random_matrix(FormatId format, index_t n, index_t k, index_t copies = 1) {
  Matrix m;
  m.w.format = format, m.w.rows = n, m.w.cols = k;
  m.reserve(m.w.row_bytes() * n, 0, copies);
  if (!m.ok()) return m;
  const std::vector<float> row = random_floats(2 * k + 64, 1);
  molmo::with_format(format, [&]<class F>(F) {
    for (index_t r = 0; r < n; ++r) {
      const float* from = row.data() + r * 7919 % (k + 64);  // another stretch of the same numbers
      std::byte* to = m.data.data() + r * m.w.row_bytes();
      if constexpr (molmo::PlainFormat<F>) {
        auto* w = reinterpret_cast<typename F::element*>(to);
        for (index_t i = 0; i < k; ++i) w[i] = typename F::element(from[i]);
      } else if constexpr (molmo::BlockFormat<F>) {
        molmo::encode_row<F>(from, k, to);
      }
    }
  });
  m.repeat();
  return m;
}

/// The same matrix in panels.
inline Matrix packed(const Matrix& rows) {
  Matrix m;
  m.w = rows.w;
  m.w.layout = molmo::Layout::panels;
  const molmo::PanelBytes bytes = molmo::panel_bytes(rows.w.format, rows.w.rows, rows.w.cols);
  m.reserve(bytes.data, bytes.scales, rows.copies);
  if (!m.ok()) return m;
  molmo::pack_panels(rows.w, m.data.data(), m.scales.data());
  m.repeat();
  return m;
}

/// The largest |y - x w^T| over a sample of elements, in units of sqrt(k); y is [m, n].
inline double product_error(const WeightMatrix& w, index_t m, const float* x, const float* y) {
  double worst = 0;
  std::vector<float> row(static_cast<std::size_t>(w.cols));
  for (index_t i = 0; i < 300; ++i) {
    const index_t r = i * 7919 % m, n = i * 104729 % w.rows;
    molmo::read_row(w, n, row.data());
    double sum = 0;
    for (index_t k = 0; k < w.cols; ++k)
      sum += static_cast<double>(x[r * w.cols + k]) * static_cast<double>(row[static_cast<std::size_t>(k)]);
    const double error = std::abs(sum - static_cast<double>(y[r * w.rows + n]));
    worst = error > worst || error != error ? error : worst;
  }
  return worst / std::sqrt(static_cast<double>(w.cols));
}

}  // namespace bench
