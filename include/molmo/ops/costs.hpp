// SPDX-License-Identifier: Apache-2.0
// What the ops cost: floating-point operations, and bytes that must move when nothing is cached. matmul_cost stands
// with the products (ops/matmul); expressions have cost(e) (expr/cost.hpp).
//
//   softmax_cost(512, 4096)      512 rows of 4096 floats:  24 operations and 8 bytes an element
// Operations of a row that do not grow with its width (one division, one square root) are left out. exp counts as
// flops_of::exp. `element` is the size of an activation in bytes: 4, or 2 for bf16 and f16.
#pragma once

#include <molmo/core/cost.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/formats/weight.hpp>

namespace molmo::inline v0::inline MOLMO_ISA {

/// Largest element, difference, exp, sum, quotient; x is read once, y written once.
[[nodiscard]] constexpr Cost softmax_cost(index_t rows, index_t width, int element = 4) {
  const double n = static_cast<double>(rows) * static_cast<double>(width);
  return {(4 + flops_of::exp) * n, 2.0 * element * n};
}

/// Square, sum, product with the scale; and with the weight, which is f32 and read once.
[[nodiscard]] constexpr Cost rms_norm_cost(index_t rows, index_t width, bool weight = true, int element = 4) {
  const double columns = static_cast<double>(width), n = static_cast<double>(rows) * columns;
  return {(weight ? 4 : 3) * n, 2.0 * element * n + (weight ? 4 * columns : 0)};
}

/// Sum for the mean; difference, square and sum for the variance; product with the scale; weight and bias.
[[nodiscard]] constexpr Cost layer_norm_cost(index_t rows, index_t width, bool weight = true, bool bias = true,
                                             int element = 4) {
  const double columns = static_cast<double>(width), n = static_cast<double>(rows) * columns;
  return {(5 + int{weight} + int{bias}) * n, 2.0 * element * n + 4 * columns * (int{weight} + int{bias})};
}

/// Four products and two sums for each pair; the cos and sin of each token once.
[[nodiscard]] constexpr Cost rope_cost(index_t tokens, index_t heads, index_t head_dim, int element = 4) {
  const double t = static_cast<double>(tokens), d = static_cast<double>(head_dim);
  const double n = t * static_cast<double>(heads) * d;
  return {3 * n, 2.0 * element * n + 4 * t * d};
}

/// No arithmetic: an id of 4 bytes and one row of the table read, one row of floats written, for each token.
[[nodiscard]] inline Cost embed_cost(index_t tokens, const WeightMatrix& table) {
  const double row = static_cast<double>(table.row_bytes()) + 4 * static_cast<double>(table.cols);
  return {0, static_cast<double>(tokens) * (row + 4)};
}

/// The (query, key) pairs that causal attention sees: `tokens` new ones after `past` others.
[[nodiscard]] constexpr double causal_pairs(index_t tokens, index_t past = 0) {
  const double t = static_cast<double>(tokens);
  return t * static_cast<double>(past) + t * (t + 1) / 2;
}

/// Attention as its cost sees it.
struct AttentionWork {
  double pairs = 0;       ///< (query, key) pairs that one head sees; causal_pairs, or fewer under a mask
  index_t tokens = 0;     ///< queries
  index_t positions = 0;  ///< keys and values
  index_t n_heads = 0, n_kv_heads = 0;
  index_t key_width = 0, value_width = 0;  ///< of one head
  int element = 4;                         ///< bytes of a query and an output element
  double cached = 4;                       ///< bytes of a key or value element
};

/// Two products of each pair with its key and its value; scale, largest, difference, exp and sum of each score.
/// Queries, keys and values are read once, outputs written once: the scores stay in the machine.
[[nodiscard]] constexpr Cost attention_cost(const AttentionWork& a) {
  const double widths = static_cast<double>(a.key_width) + static_cast<double>(a.value_width);
  const double rows = static_cast<double>(a.tokens) * static_cast<double>(a.n_heads);
  const double cached = static_cast<double>(a.positions) * static_cast<double>(a.n_kv_heads);
  return {static_cast<double>(a.n_heads) * a.pairs * (2 * widths + 5 + flops_of::exp),
          a.element * rows * widths + a.cached * cached * widths};
}

}  // namespace molmo::inline v0::inline MOLMO_ISA
