// SPDX-License-Identifier: Apache-2.0
// Attention on Xsimd: keys and values are walked once, in tiles of 64, with the running maximum, the running sum and the
// output rescaled when the maximum grows (online softmax, Milakov and Gimelshein 2018; Dao et al. 2022).
//
// Up to three query rows share each loaded key and value: heads of one group, or, without groups, neighbouring tokens.
// A query row is one thread's, tile after tile in ascending order, so its bits depend neither on the number of threads
// nor on its neighbours; the tiles that not all rows see in full are done row by row, and no later position is read.
#pragma once

#include <molmo/backend/dot_rows.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/attention/attention.hpp>

#include <limits>

namespace molmo::inline v0 {
namespace detail {

inline constexpr index_t key_tile = 64;

/// Running state of one query row.
struct SoftmaxRow {
  const float* q;
  float* out;
  index_t visible;
  float largest = -std::numeric_limits<float>::infinity();
  float total = 0;
};

/// out[t][c ... c + N registers) += sum over j of p[t][j] v[j][...] for T rows. Where few registers are summed, several
/// keys are summed side by side, so that the multiply-adds do not wait for one another.
template <class V, int T, int N>
MOLMO_INLINE void add_values(const float* v, index_t head_dim, index_t keys, const float (*p)[key_tile],
                             SoftmaxRow* rows, index_t c, int tail) {
  constexpr int side_by_side = N >= 4   ? 1
                               : N == 2 ? 2
                                        : 4;  // not of T: a row has the same bits whoever shares its tile
  const auto load = [&](const float* from) { return tail ? V::load(from, tail) : V::load(from); };
  V a[side_by_side][T][N];
  for (auto& s : a)
    for (auto& t : s)
      for (V& n : t) n = V::broadcast(0.0f);
  const auto add = [&](index_t j, int s) {
    V vs[N];
    MOLMO_UNROLL
    for (int n = 0; n < N; ++n) vs[n] = load(v + j * head_dim + c + n * V::size);
    MOLMO_UNROLL
    for (int t = 0; t < T; ++t) {
      const V w = V::broadcast(p[t][j]);
      MOLMO_UNROLL
      for (int n = 0; n < N; ++n) a[s][t][n] = fma(w, vs[n], a[s][t][n]);
    }
  };
  index_t j = 0;
  for (; j + side_by_side <= keys; j += side_by_side) {
    MOLMO_UNROLL
    for (int s = 0; s < side_by_side; ++s) add(j + s, s);
  }
  for (; j < keys; ++j) add(j, 0);
  MOLMO_UNROLL
  for (int t = 0; t < T; ++t) MOLMO_UNROLL
  for (int n = 0; n < N; ++n) {
    V sum = a[0][t][n];
    if constexpr (side_by_side == 2) sum = sum + a[1][t][n];
    if constexpr (side_by_side == 4) sum = (sum + a[1][t][n]) + (a[2][t][n] + a[3][t][n]);
    float* out = rows[t].out + c + n * V::size;
    sum = sum + load(out);
    if (tail)
      sum.store(out, tail);
    else
      sum.store(out);
  }
}

/// One tile of keys for T rows that see all of it.
template <class V, int T>
void attend_tile(const AttentionRows& a, const float* k, const float* v, index_t keys, SoftmaxRow* rows,
                 index_t q_distance) {
  alignas(64) float p[T][key_tile];
  index_t j = 0;
  for (; j + 8 <= keys; j += 8) {
    alignas(64) float s[8 * T];
    dot_rows<V, 8, T>(k + j * a.head_dim, a.head_dim, rows[0].q, q_distance, a.head_dim, s);
    for (int t = 0; t < T; ++t)
      for (int r = 0; r < 8; ++r) p[t][j + r] = s[t * 8 + r];
  }
  for (; j < keys; ++j) {
    float s[T];
    dot_rows<V, 1, T>(k + j * a.head_dim, a.head_dim, rows[0].q, q_distance, a.head_dim, s);
    for (int t = 0; t < T; ++t) p[t][j] = s[t];
  }
  constexpr float minus_infinity = -std::numeric_limits<float>::infinity();
  const index_t padded = (keys + V::size - 1) / V::size * V::size;  // the tile is a multiple of every register size
  const V scale = V::broadcast(a.scale);
  for (int t = 0; t < T; ++t) {
    V most = V::broadcast(rows[t].largest);
    for (index_t i = keys; i < padded; ++i) p[t][i] = minus_infinity;
    for (index_t i = 0; i < padded; i += V::size) {
      const V x = V::load(p[t] + i) * scale;
      x.store(p[t] + i);
      most = larger(x, most);
    }
    const float largest = reduce_max(most);
    // Nothing but -infinity so far: subtract 0, so that exp(-inf) = 0 and not NaN.
    const float subtract = largest == minus_infinity ? 0.0f : largest;
    if (largest > rows[t].largest) {
      if (rows[t].total != 0) {
        const float shrink = std::exp(rows[t].largest - subtract);
        rows[t].total *= shrink;
        for (index_t i = 0; i < a.head_dim; ++i) rows[t].out[i] *= shrink;
      }
      rows[t].largest = largest;
    }
    const V shift = V::broadcast(subtract);
    V sum = V::broadcast(0.0f);
    for (index_t i = 0; i < padded; i += V::size) {
      const V e = exp(V::load(p[t] + i) - shift);
      e.store(p[t] + i);
      sum = sum + e;
    }
    rows[t].total += reduce_add(sum);
  }
  index_t c = 0;
  for (; c + 4 * V::size <= a.head_dim; c += 4 * V::size) add_values<V, T, 4>(v, a.head_dim, keys, p, rows, c, 0);
  for (; c + 2 * V::size <= a.head_dim; c += 2 * V::size) add_values<V, T, 2>(v, a.head_dim, keys, p, rows, c, 0);
  for (; c + V::size <= a.head_dim; c += V::size) add_values<V, T, 1>(v, a.head_dim, keys, p, rows, c, 0);
  if (c < a.head_dim) add_values<V, T, 1>(v, a.head_dim, keys, p, rows, c, static_cast<int>(a.head_dim - c));
}

/// T query rows whose vectors lie q_distance apart, over all the keys that each may see.
template <class V, int T>
void attend_rows(const AttentionRows& a, const float* k, const float* v, SoftmaxRow (&rows)[T], index_t q_distance) {
  for (SoftmaxRow& r : rows)
    for (index_t i = 0; i < a.head_dim; ++i) r.out[i] = 0;
  // Tiles that all rows see in full are shared; the last one only where all rows end at the same key.
  index_t shared = rows[0].visible;
  bool same = true;
  for (const SoftmaxRow& r : rows) {
    same = same && r.visible == shared;
    shared = r.visible < shared ? r.visible : shared;
  }
  if (!same) shared = shared / key_tile * key_tile;
  const auto keys_at = [](index_t j, index_t end) { return end - j < key_tile ? end - j : key_tile; };
  for (index_t j = 0; j < shared; j += key_tile)
    attend_tile<V, T>(a, k + j * a.head_dim, v + j * a.head_dim, keys_at(j, shared), rows, q_distance);
  for (SoftmaxRow& r : rows) {
    for (index_t j = shared; j < r.visible; j += key_tile)
      attend_tile<V, 1>(a, k + j * a.head_dim, v + j * a.head_dim, keys_at(j, r.visible), &r, q_distance);
    const float inverse = 1.0f / r.total;
    for (index_t i = 0; i < a.head_dim; ++i) r.out[i] *= inverse;
  }
}

template <class V, class Arch>
void attention_with(const Xsimd<Arch>& cpu, const AttentionRows& a) {
  const index_t group = a.n_heads / a.n_kv_heads;
  const auto row = [&](index_t t, index_t h) {
    return SoftmaxRow{a.q + t * a.q_token + h * a.head_dim, a.out + t * a.out_token + h * a.head_dim, a.past + t + 1};
  };
  // A unit of work: all heads of a group at one token, or one head at up to three neighbouring tokens.
  const index_t tokens_at_once = group == 1 ? 3 : 1;
  const index_t token_units = (a.tokens + tokens_at_once - 1) / tokens_at_once;
  const index_t units = token_units * a.n_kv_heads;
  const index_t work = a.tokens * a.n_heads * a.head_dim * (a.past + a.tokens);
  cpu.parallel_if(units > 1 && work >= 32768, [&](int part, int parts) {
    // Later tokens see more keys: deal the units out like cards, so that the threads get equal work.
    for (index_t u = part; u < units; u += parts) {
      const index_t g = u % a.n_kv_heads;
      const index_t t = u / a.n_kv_heads * tokens_at_once;
      const float* k = a.k + g * a.kv_head;
      const float* v = a.v + g * a.kv_head;
      if (group == 1) {
        const index_t count = a.tokens - t < 3 ? a.tokens - t : 3;
        if (count == 3) {
          SoftmaxRow rows[3] = {row(t, g), row(t + 1, g), row(t + 2, g)};
          attend_rows<V, 3>(a, k, v, rows, a.q_token);
        } else {
          for (index_t i = 0; i < count; ++i) {
            SoftmaxRow rows[1] = {row(t + i, g)};
            attend_rows<V, 1>(a, k, v, rows, 0);
          }
        }
      } else {
        index_t h = g * group;
        const index_t last = h + group;
        for (; h + 3 <= last; h += 3) {
          SoftmaxRow rows[3] = {row(t, h), row(t, h + 1), row(t, h + 2)};
          attend_rows<V, 3>(a, k, v, rows, a.head_dim);
        }
        for (; h + 2 <= last; h += 2) {
          SoftmaxRow rows[2] = {row(t, h), row(t, h + 1)};
          attend_rows<V, 2>(a, k, v, rows, a.head_dim);
        }
        for (; h < last; ++h) {
          SoftmaxRow rows[1] = {row(t, h)};
          attend_rows<V, 1>(a, k, v, rows, a.head_dim);
        }
      }
    }
  });
}

}  // namespace detail

/// Heads that fill no 512-bit register use 256-bit ones.
template <class Arch>
void attention(const Xsimd<Arch>& cpu, const AttentionRows& a) {
  if constexpr (detail::is_wide<Lanes<Arch>>) {
    if (a.head_dim % Lanes<Arch>::size != 0) return detail::attention_with<detail::Narrower>(cpu, a);
  }
  detail::attention_with<Lanes<Arch>>(cpu, a);
}

}  // namespace molmo::inline v0
