// SPDX-License-Identifier: Apache-2.0
// matmul on EigenCpu: Eigen's product of an f32 tile, then one pass from there through the epilogue.
//
// y is cut into tiles of at most 256 x 256, which stay in the L2 cache. Weights of other formats are decoded, 256 of
// each row at a time, into a panel of f32 that is multiplied and added to the tile; f32 weights that lie row after row
// are used in place. A single row of x is a matrix-vector product, for which Eigen reads the weights once and in order.
#pragma once

#include <molmo/backend/eigen.hpp>
#include <molmo/ops/matmul/matmul.hpp>

#include <algorithm>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

inline constexpr index_t eigen_tile = 256;

using EigenMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using EigenRows = Eigen::Map<const EigenMatrix, 0, Eigen::OuterStride<>>;

// tile (+)= x w^T for rows of w that lie `w_stride` apart.
inline void eigen_product(const Rows& x, index_t m0, index_t rows, index_t k0, index_t depth, const float* w,
                          index_t w_stride, index_t cols, float* tile, bool first) {
  const EigenRows weights(w, cols, depth, Eigen::OuterStride<>(w_stride));
  const float* left = x.data + m0 * x.stride + k0;
  if (rows == 1) {
    const Eigen::Map<const Eigen::VectorXf> vector(left, depth);
    Eigen::Map<Eigen::VectorXf> sums(tile, cols);
    if (first)
      sums.noalias() = weights * vector;
    else
      sums.noalias() += weights * vector;
  } else {
    const EigenRows factors(left, rows, depth, Eigen::OuterStride<>(x.stride));
    Eigen::Map<EigenMatrix> sums(tile, rows, cols);
    if (first)
      sums.noalias() = factors * weights.transpose();
    else
      sums.noalias() += factors * weights.transpose();
  }
}

// The sums of one tile, for any format.
inline void eigen_sums(const Rows& x, index_t m0, index_t rows, const WeightMatrix& w, index_t n0, index_t cols,
                       EigenWorker& worker) {
  auto* tile = reinterpret_cast<float*>(worker.tile.data());
  const bool in_place = w.format == format_id<F32> && w.layout == Layout::rows;
  if (in_place) {
    const auto* first_row = reinterpret_cast<const float*>(w.data) + n0 * w.cols;
    eigen_product(x, m0, rows, 0, x.k, first_row, x.k, cols, tile, true);
  } else {
    static_assert(eigen_tile % decoded_at_once == 0);
    auto* panel = reinterpret_cast<float*>(worker.panel.data());
    for (index_t k = 0; k < x.k; k += eigen_tile) {
      const index_t depth = (std::min)(eigen_tile, x.k - k);
      for (index_t n = 0; n < cols; ++n) read_weights(w, n0 + n, k, depth, panel + n * eigen_tile);
      eigen_product(x, m0, rows, k, depth, panel, eigen_tile, cols, tile, k == 0);
    }
  }
}

template <class T, class E, class WhenStored>
void eigen_multiply(const EigenCpu& cpu, const Rows& x, const Product<T, E, WhenStored>& p) {
  constexpr std::size_t bytes = eigen_tile * eigen_tile * sizeof(float);
  auto worker = cpu.workers().lend();
  if (worker && worker->tile.size() < bytes) worker->tile = AlignedBytes::zeroed(bytes, 1);
  const bool in_place = p.w.format == format_id<F32> && p.w.layout == Layout::rows;
  if (worker && worker->panel.size() < bytes && !in_place) worker->panel = AlignedBytes::zeroed(bytes, 1);
  const bool ready = worker && worker->tile.size() >= bytes && (in_place || worker->panel.size() >= bytes);
  if (!ready || x.k == 0) return multiply_one(x, p);
  for (index_t n0 = 0; n0 < p.w.rows; n0 += eigen_tile) {
    const index_t cols = (std::min)(eigen_tile, p.w.rows - n0);
    for (index_t m0 = 0; m0 < x.m; m0 += eigen_tile) {
      const index_t rows = (std::min)(eigen_tile, x.m - m0);
      eigen_sums(x, m0, rows, p.w, n0, cols, *worker);
      const auto* tile = reinterpret_cast<const float*>(worker->tile.data());
      for (index_t m = 0; m < rows; ++m)
        for (index_t n = 0; n < cols; ++n)
          p.y[(m0 + m) * p.stride + n0 + n] =
              static_cast<T>(p.finish(ScalarAt<float>{m0 + m, n0 + n, tile[m * cols + n]}));
    }
  }
}

}  // namespace detail::inline MOLMO_ISA

/// Products one after another, on the calling thread.
template <class... P>
void multiply(const EigenCpu& cpu, const Rows& x, const P&... products) {
  const auto one = [&](const auto& p) {
    detail::eigen_multiply(cpu, x, p);
    if (p.w.rows > 0) p.when_stored(0, p.w.rows);
  };
  (one(products), ...);
}

}  // namespace molmo::inline v0
