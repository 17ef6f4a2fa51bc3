// SPDX-License-Identifier: Apache-2.0
// FinishHeads: what becomes of the columns of [q | k | v] once they are stored. Heads are normalised where the model
// has a QK-norm per head, queries and keys are rotated, keys and values written into the cache.
//
//   on(ctx, q, k, v) = matmul(x, wq, wk, wv).when_stored(finish);
// So it runs inside the parallel step of the projections, by the thread that has a head in its cache. What must see
// whole rows first (clip_qkv, a QK-norm over all heads, heads that share a panel of 16 columns) sets at_once to false
// and calls all() afterwards: one parallel pass more. All sizes are run-time numbers: models share this code.
#pragma once

#include <molmo/layers/norm.hpp>
#include <molmo/ops/attention/new_heads.hpp>

namespace molmo::inline v0 {

/// The norm of single heads.
enum class HeadNorm : unsigned char { none, rms, layer_norm };
[[nodiscard]] constexpr HeadNorm head_norm(QkNorm where, LayerNormType type) {
  if (where != QkNorm::per_head) return HeadNorm::none;
  return type == LayerNormType::rms ? HeadNorm::rms : HeadNorm::layer_norm;
}

template <HeadNorm N>
struct FinishHeads {
  NewHeads heads;
  NormRows<float> q_norm{}, k_norm{};  ///< of one head, no memory set; not read where N is none
  index_t grain = 1;                   ///< columns that one thread stores together: those of a head
  bool at_once = true;

  /// Columns of [q | k | v], whole heads: see when_stored of a matmul.
  template <class Ctx>
  MOLMO_NOINLINE void operator()(const Ctx& ctx, Range columns) const {
    if (!at_once) return;
    const index_t d = heads.kv.head_dim;
    const index_t keys = heads.n_heads * d, values = keys + heads.n_kv_heads * d, end = values + heads.n_kv_heads * d;
    if (const Range q = heads_in(columns, 0, keys); q.begin < q.end) {
      normalise(ctx, q_norm, heads.q, q);
      finish_queries(ctx, heads, q.begin, q.end - q.begin, 0, heads.tokens);
    }
    if (const Range k = heads_in(columns, keys, values); k.begin < k.end) {
      normalise(ctx, k_norm, heads.k, k);
      finish_keys(ctx, heads, k.begin, k.end - k.begin, 0, heads.tokens);
    }
    if (const Range v = heads_in(columns, values, end); v.begin < v.end)
      finish_values(ctx, heads, v.begin, v.end - v.begin, 0, heads.tokens);
  }

  /// All heads, after the projections.
  template <class Ctx>
  void all(const Ctx& ctx) const {
    normalise(ctx, q_norm, heads.q, {0, heads.n_heads});
    normalise(ctx, k_norm, heads.k, {0, heads.n_kv_heads});
    rotate_and_store(ctx, heads);
  }

 private:
  // The heads of columns [first, last) that lie in `columns`, counted from `first`.
  [[nodiscard]] Range heads_in(Range columns, index_t first, index_t last) const {
    const index_t d = heads.kv.head_dim;
    const index_t begin = columns.begin > first ? columns.begin : first, end = columns.end < last ? columns.end : last;
    return begin < end ? Range{(begin - first) / d, (end - first) / d} : Range{0, 0};
  }

  // Heads `some` of every token of x, which is heads.q or heads.k.
  template <class Ctx>
  void normalise(const Ctx& ctx, NormRows<float> a, float* x, Range some) const {
    if constexpr (N != HeadNorm::none) {
      a.rows = some.end - some.begin;
      for (index_t t = 0; t < heads.tokens; ++t) {
        a.y = x + t * heads.token + some.begin * a.width;
        a.x = a.y;
        norm_rows<N == HeadNorm::rms ? LayerNormType::rms : LayerNormType::layer_norm>(ctx, a);
      }
    }
  }
};

}  // namespace molmo::inline v0
