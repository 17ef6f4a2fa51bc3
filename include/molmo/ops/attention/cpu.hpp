// SPDX-License-Identifier: Apache-2.0
// Attention on Xsimd: keys and values are walked once, in tiles, with the running maximum, the running sum and the
// output rescaled when the maximum grows (online softmax, Milakov and Gimelshein 2018; Dao et al. 2022).
//
// A unit of work (split.hpp) is up to 24 query rows of one kv head, heads of a group and neighbouring tokens alike,
// over a chunk of keys: they share every key and value that is loaded (cpu_tile.hpp). Keys behind the last row's are
// skipped; those that some rows do not see get weight 0 by a select. Who computes a unit does not matter to its bits.
#pragma once

#include <molmo/ops/attention/attention.hpp>
#include <molmo/ops/attention/cpu_store.hpp>
#include <molmo/ops/attention/cpu_tile.hpp>

#include <limits>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// One unit: rows of block `block` of kv head g over chunk `chunk`.
template <class V>
void attend_unit(const AttentionRows& a, const AttentionSplit& cut, const KvKernels& kernels, index_t g, index_t block,
                 index_t chunk) {
  constexpr index_t most_rows = AttentionSplit::most_rows, most = AttentionSplit::most_numbers;
  constexpr index_t few = 4, long_tile = 512;  // few rows take long tiles: less to do around them
  alignas(64) float q[static_cast<std::size_t>(most)];
  alignas(64) float out[static_cast<std::size_t>(most)];
  alignas(64) float p[static_cast<std::size_t>(few * long_tile)];
  alignas(64) float total[static_cast<std::size_t>(most_rows * V::size)];
  WeightedRow state[static_cast<std::size_t>(most_rows)];
  static_assert(most_rows * short_tile <= few * long_tile);

  const index_t d = a.kv.head_dim, width = (d + 15) / 16 * 16, group = a.n_heads / a.n_kv_heads;
  const index_t first = block * cut.rows;
  const index_t all = a.tokens * group - first, rows = all < cut.rows ? all : cut.rows;
  const V zero = V::broadcast(0.0f);
  for (index_t i = 0; i < rows * width; i += V::size) zero.store(out + i);
  for (index_t i = 0; i < rows; ++i) zero.store(total + i * V::size);
  for (index_t r = 0, token = first / group, head = first % group; r < rows; ++r) {
    state[r] = {token, head, a.past + token + 1, std::numeric_limits<float>::lowest()};
    if (++head == group) head = 0, ++token;
  }
  const auto offset = [&](index_t r, index_t distance) {
    return state[r].token * distance + (g * group + state[r].head) * d;
  };
  const V scale = V::broadcast(a.scale * log2_e);
  each_row_tile<V>(rows, [&](index_t r, index_t count, int) {
    for (index_t i = 0; i < count; ++i) {
      const float* from = a.q + offset(r + i, a.q_token);
      float* to = q + r * width + i * 16;  // [head_dim / 16][count][16]
      for (index_t c = 0; c < d; c += V::size) {
        const V x = c + V::size <= d ? V::load(from + c) : V::load(from + c, static_cast<int>(d - c));
        (x * scale).store(to + c / 16 * 16 * count + c % 16);
      }
    }
  });

  const index_t bytes = kv_element_bytes(a.kv.format), key_bytes = d * bytes;
  const std::byte* const keys = a.kv.k + g * a.kv.room * key_bytes;
  const std::byte* const values = a.kv.v + g * a.kv.room * key_bytes;
  const index_t tile = rows <= few ? long_tile : short_tile;
  const index_t begin = chunk * cut.chunk;
  const index_t last = state[rows - 1].visible, end = last - begin < cut.chunk ? last : begin + cut.chunk;
  for (index_t j = begin; j < end; j += tile) {
    const index_t here = end - j < tile ? end - j : tile;
    const auto seen = [&](index_t r) {  // of this tile, by row r
      const index_t n = state[r].visible - j;
      return n < 0 ? 0 : n < here ? n : here;
    };
    // Rows of one tile after the other on the same keys, which stay in the first cache meanwhile.
    const index_t key_step = rows <= 2 ? tile : short_tile / 2;
    for (index_t i = 0; i < here; i += key_step) {
      const index_t some = kv_room(here - i < key_step ? here - i : key_step);
      each_row_tile<V>(rows, [&](index_t r, index_t, int kernel) {
        kernels.scores[kernel](q + r * width, keys + (j + i) * key_bytes, d, some, p + r * tile + i, tile);
      });
    }
    if (a.kv.format == KvFormat::q8)
      weigh<V, true>(state, rows, j, here, p, tile, total, out, width, a.kv.k_scales + g * a.kv.room + j,
                     a.kv.v_scales + g * a.kv.room + j);
    else
      weigh<V, false>(state, rows, j, here, p, tile, total, out, width, nullptr, nullptr);
    const std::byte* const from = values + j * key_bytes;
    if (values_in_panels(d)) {
      constexpr index_t together = panel_rows_at_once<V>;
      for (index_t r = 0; r < rows; r += together) {
        const index_t shared = r + together <= rows ? seen(r) : 0;  // later rows see as many or more
        if (shared > 0) kernels.value_panels[1](from, d, 0, shared, p + r * tile, tile, out + r * width, width);
        for (index_t i = r; i < rows && i < r + together; ++i)
          if (const index_t to = seen(i); to > shared) {
            const index_t panel = shared & ~(kv_panel - 1);
            kernels.value_panels[0](from + panel * key_bytes, d, shared - panel, to - panel, p + i * tile + panel, tile,
                                    out + i * width, width);
          }
      }
    } else {
      constexpr index_t some_columns = value_block * V::size;
      const index_t value_step = d <= some_columns ? tile : short_tile;
      for (index_t i = 0; i < here; i += value_step)
        for (index_t c = 0; c < d; c += some_columns) {
          const index_t columns = d - c < some_columns ? d - c : some_columns;
          // What to prefetch meanwhile. Where whole rows are read: a row that comes a little later (f32 needs no help).
          // Otherwise the next columns of these keys and, behind the last columns, the next keys.
          const index_t ahead = d <= some_columns      ? bytes == 4 ? 0 : 2048 / bytes
                                : c + some_columns < d ? some_columns
                                                       : value_step * d - c;
          const std::byte* const some = from + i * key_bytes + c * bytes;
          const auto count = [&](index_t r) {  // of these keys, seen by a row
            const index_t n = seen(r) - i;
            return n < 0 ? 0 : n < value_step ? n : value_step;
          };
          each_row_tile<V>(rows, [&](index_t r, index_t tile_rows, int kernel) {
            const index_t shared = count(r);
            if (shared > 0)
              kernels.values[kernel](some, d, columns, shared, p + r * tile + i, tile, out + r * width + c, width,
                                     ahead);
            for (index_t row = r + 1; row < r + tile_rows; ++row)
              if (const index_t rest = count(row) - shared; rest > 0)
                kernels.values[0](some + shared * key_bytes, d, columns, rest, p + row * tile + i + shared, tile,
                                  out + row * width + c, width, ahead);
          });
        }
    }
  }

  if (cut.chunks == 1) {
    for (index_t r = 0; r < rows; ++r) {
      const V inverse = V::broadcast(1.0f / reduce_add(V::load(total + r * V::size)));
      float* to = a.out + offset(r, a.out_token);
      index_t c = 0;
      for (; c + V::size <= d; c += V::size) (V::load(out + r * width + c) * inverse).store(to + c);
      if (c < d) (V::load(out + r * width + c) * inverse).store(to + c, static_cast<int>(d - c));
    }
  } else {
    const index_t partial = AttentionSplit::partial_row(d);
    float* to = a.scratch + ((g * a.tokens * group + first) * cut.chunks + chunk) * partial;
    for (index_t r = 0; r < rows; ++r, to += cut.chunks * partial) {
      for (index_t c = 0; c < width; c += V::size) V::load(out + r * width + c).store(to + c);
      to[width] = state[r].shift;
      to[width + 1] = reduce_add(V::load(total + r * V::size));
    }
  }
}

/// Row r of kv head g: its partial results added up, in order.
template <class V>
void add_partials(const AttentionRows& a, const AttentionSplit& cut, index_t g, index_t r) {
  const index_t d = a.kv.head_dim, width = (d + 15) / 16 * 16, group = a.n_heads / a.n_kv_heads;
  const index_t partial = AttentionSplit::partial_row(d);
  const float* from = a.scratch + (g * a.tokens * group + r) * cut.chunks * partial;
  float* to = a.out + r / group * a.out_token + (g * group + r % group) * d;
  float shift = from[width], total = 0;
  for (index_t i = 1; i < cut.chunks; ++i) {
    const float other = from[i * partial + width];
    shift = other > shift ? other : shift;
  }
  float weight[AttentionSplit::most_chunks];
  for (index_t i = 0; i < cut.chunks; ++i) {
    weight[i] = std::exp2(from[i * partial + width] - shift);
    total += weight[i] * from[i * partial + width + 1];
  }
  const V inverse = V::broadcast(1.0f / total);
  for (index_t c = 0; c < d; c += V::size) {
    V sum = V::broadcast(0.0f);
    for (index_t i = 0; i < cut.chunks; ++i) sum = fma(V::broadcast(weight[i]), V::load(from + i * partial + c), sum);
    sum = sum * inverse;
    if (c + V::size <= d)
      sum.store(to + c);
    else
      sum.store(to + c, static_cast<int>(d - c));
  }
}

template <class V, class Arch>
void attention_with(const Xsimd<Arch>& cpu, const AttentionRows& a, const KvKernels& kernels) {
  const index_t keys = a.past + a.tokens, d = a.kv.head_dim;
  const AttentionSplit cut = AttentionSplit::of(a.tokens, a.n_heads, a.n_kv_heads, d, keys, a.scratch != nullptr);
  const index_t units = cut.blocks * a.n_kv_heads * cut.chunks;
  const bool share = units > 1 && a.tokens * a.n_heads * d * keys >= parallel_attention;
  cpu.parallel_if(share, [&](int part, int parts) {
    // Later tokens see more keys: deal the units out like cards, so that the threads get equal work.
    // One kv head after the other, so that its keys and values stay in the second cache.
    index_t chunk = part, block = 0, g = 0;
    for (index_t u = part; u < units; u += parts, chunk += parts) {
      for (; chunk >= cut.chunks; chunk -= cut.chunks) ++block;
      for (; block >= cut.blocks; block -= cut.blocks) ++g;
      attend_unit<V>(a, cut, kernels, g, block, chunk);
    }
  });
  if (cut.chunks == 1) return;
  const index_t rows = a.tokens * (a.n_heads / a.n_kv_heads), sums = rows * a.n_kv_heads;
  cpu.parallel_if(sums * d * cut.chunks >= parallel_attention, [&](int part, int parts) {
    const Range mine = split(sums, part, parts);
    for (index_t i = mine.begin; i < mine.end; ++i) add_partials<V>(a, cut, i / rows, i % rows);
  });
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch>
void attention(const Xsimd<Arch>& cpu, const AttentionRows& a) {
  if (a.tokens == 0) return;
  if (a.kv.head_dim > AttentionSplit::most_head_dim) return attention(static_cast<const Reference&>(cpu), a);
  const detail::KvKernels& kernels = with_kv_format(
      a.kv.format, []<class E>(E) -> const detail::KvKernels& { return detail::kv_kernels<Lanes<Arch>, E>; });
  detail::attention_with<Lanes<Arch>>(cpu, a, kernels);
}

}  // namespace molmo::inline v0
