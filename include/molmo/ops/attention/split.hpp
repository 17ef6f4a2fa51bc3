// SPDX-License-Identifier: Apache-2.0
// How the work of attention is cut into units that threads take: a unit is up to 24 query rows of one kv head over a
// chunk of keys.
//
//   query rows of a kv head   the heads of its group at all tokens, row r = token * group + head of the group
//   chunks of keys            one, unless that gives few units and there are many keys; parts are combined in order
// The cut depends on the shape and on the number of keys only, never on the number of threads: so do the bits.
#pragma once

#include <molmo/core/shape.hpp>

#include <cstddef>

namespace molmo::inline v0 {

struct AttentionSplit {
  index_t rows = 0;    ///< query rows of a unit
  index_t blocks = 0;  ///< units of one kv head and chunk
  index_t chunk = 0;   ///< keys of a chunk
  index_t chunks = 1;

  static constexpr index_t most_rows = 24;
  static constexpr index_t most_numbers = 24 * 128;  ///< of the rows of a unit: they lie on the stack
  static constexpr index_t most_head_dim = 1024;     ///< longer heads run on the plain loops
  static constexpr index_t useful_units = 64, most_chunks = 8, least_chunk = 512;

  /// Floats of one row of a partial result: the weighted sum of values, filled up to 16, the maximum and the total.
  [[nodiscard]] static constexpr index_t partial_row(index_t head_dim) { return (head_dim + 15) / 16 * 16 + 16; }

  /// Without room for partial results (see attention_scratch) keys are not split.
  [[nodiscard]] static constexpr AttentionSplit of(index_t tokens, index_t n_heads, index_t n_kv_heads,
                                                   index_t head_dim, index_t keys, bool may_split) {
    AttentionSplit s;
    const index_t fit = most_numbers / ((head_dim + 15) / 16 * 16);
    s.rows = fit < 1 ? 1 : fit < most_rows ? fit : most_rows;
    s.blocks = (tokens * (n_heads / n_kv_heads) + s.rows - 1) / s.rows;
    if (may_split && keys >= 2 * least_chunk) {
      const index_t wanted = useful_units / (s.blocks * n_kv_heads);
      s.chunks = keys / least_chunk;
      if (s.chunks > wanted) s.chunks = wanted;
      if (s.chunks > most_chunks) s.chunks = most_chunks;
      if (s.chunks < 1) s.chunks = 1;
    }
    s.chunk = ((keys + s.chunks - 1) / s.chunks + 63) / 64 * 64;
    return s;
  }
};

/// Floats of scratch memory with which attention over a long context may split the keys, for steps of up to `tokens`
/// tokens. It does not grow with the context.
[[nodiscard]] constexpr std::size_t attention_scratch(index_t tokens, index_t n_heads, index_t n_kv_heads,
                                                      index_t head_dim) {
  index_t most = 0;
  for (index_t t = 1; t <= tokens; ++t) {
    const index_t keys = AttentionSplit::most_chunks * AttentionSplit::least_chunk;
    const AttentionSplit s = AttentionSplit::of(t, n_heads, n_kv_heads, head_dim, keys, true);
    if (s.chunks == 1) break;
    const index_t numbers = t * n_heads * s.chunks * AttentionSplit::partial_row(head_dim);
    most = numbers > most ? numbers : most;
  }
  return static_cast<std::size_t>(most);
}

}  // namespace molmo::inline v0
