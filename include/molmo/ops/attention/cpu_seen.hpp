// SPDX-License-Identifier: Apache-2.0
// The softmax and the values of a tile of which a mask shows a part, on Xsimd. What row r sees of the tile is a row of
// words, seen[r * words ...], bit i of them being key i; without words every row sees every key.
//
//   weigh_seen       scores become weights 2^(score - shift), 0 for what is not seen, whatever its score
//   add_seen_values  out[r] += sum of the weights times the values, over keys that somebody sees
// A weight of 0 does not hide a NaN. So where rows differ in what they see, the values are first looked through
// (are_finite), and where there is something in them, or where few keys differ, each row adds those by itself.
#pragma once

#include <molmo/ops/attention/cpu_pack.hpp>
#include <molmo/ops/attention/cpu_tile.hpp>

#include <bit>
#include <limits>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// Per lane: x where the bit is set, else `other`.
template <class V>
MOLMO_INLINE V select_bits(std::uint64_t bits, V x, V other) {
#if MOLMO_AVX512
  if constexpr (std::is_base_of_v<xsimd::avx512f, typename V::arch>)
    return typename V::batch(_mm512_mask_blend_ps(static_cast<__mmask16>(bits), other.v, x.v));
  else
#endif
#if MOLMO_AVX2
      if constexpr (std::is_base_of_v<xsimd::avx2, typename V::arch>) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits & 0xff)), lane);
    return typename V::batch(_mm256_blendv_ps(other.v, x.v, _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane))));
  } else
#endif
  {
    alignas(64) float hidden[static_cast<std::size_t>(V::size)];
    for (int i = 0; i < V::size; ++i) hidden[i] = (bits >> i & 1) != 0 ? 0.0f : 1.0f;
    return select_less(V::load(hidden), V::broadcast(0.5f), x, other);
  }
}

/// The bits of V::size keys from key j on.
template <class V>
MOLMO_INLINE std::uint64_t bits_at(const std::uint64_t* row, index_t j) {
  return row[j / 64] >> (j % 64) & ((std::uint64_t{1} << V::size) - 1);
}
template <class V>
inline constexpr std::uint64_t all_lanes = (std::uint64_t{1} << V::size) - 1;

/// Calls f(begin, end) for the runs of set bits among the first n.
template <class F>
MOLMO_INLINE void each_run(const std::uint64_t* words, index_t n, const F& f) {
  index_t i = 0;
  while (i < n) {
    std::uint64_t rest = words[i / 64] >> (i % 64);
    if (rest == 0) {
      i = (i / 64 + 1) * 64;
      continue;
    }
    const index_t begin = i + std::countr_zero(rest);
    if (begin >= n) return;
    for (i = begin; i < n; i = (i / 64 + 1) * 64)
      if (rest = ~words[i / 64] >> (i % 64); rest != 0) {
        i += std::countr_zero(rest);
        break;
      }
    f(begin, i < n ? i : n);
  }
}

/// Scores p[r * stride + 0 ... keys) of `count` rows become weights and are added to the register total[r * V::size];
/// sums out[r * width + 0 ... width) are rescaled when the shift of their row moves. Fills up to whole panels with 0.
template <class V>
void weigh_seen(WeightedRow* rows, index_t count, index_t keys, float* p, index_t stride, const std::uint64_t* seen,
                index_t words, float* total, float* out, index_t width) {
  const V never = V::broadcast(-std::numeric_limits<float>::infinity());
  const index_t filled = kv_room(keys);
  for (index_t r = 0; r < count; ++r, p += stride, seen += words, total += V::size, out += width) {
    WeightedRow& row = rows[r];
    V most = V::broadcast(row.shift);
    if (words == 0) {
      for (index_t j = 0; j < filled; j += V::size) most = larger_or(V::load(p + j), most);
    } else {
      for (index_t j = 0; j < filled; j += V::size) {
        V x = V::load(p + j);
        if (const std::uint64_t bits = bits_at<V>(seen, j); bits != all_lanes<V>) {
          if (bits == 0) continue;
          x = select_bits(bits, x, never);
          x.store(p + j);
        }
        most = larger_or(x, most);
      }
    }
    move_shift(row, most, total, out, width);
    const V shift = V::broadcast(row.shift);
    V sum = V::load(total);
    for (index_t j = 0; j < filled; j += V::size) {
      if (words != 0 && bits_at<V>(seen, j) == 0) {
        V::broadcast(0.0f).store(p + j);
        continue;
      }
      const V w = exp2_weight(V::load(p + j) - shift);
      sum = sum + w;
      w.store(p + j);
    }
    sum.store(total);
  }
}

/// Multiplies the weights (or the scores) of `count` rows by a number for each key; what is not seen becomes 0.
template <class V>
void scale_seen(index_t count, index_t keys, float* p, index_t stride, const std::uint64_t* seen, index_t words,
                const float* scales) {
  const V zero = V::broadcast(0.0f);
  for (index_t r = 0; r < count; ++r, p += stride, seen += words)
    for (index_t j = 0; j < keys; j += V::size) {
      V x = V::load(p + j) * V::load(scales + j);
      if (words != 0) x = select_bits(bits_at<V>(seen, j), x, zero);
      x.store(p + j);
    }
}

/// The values of a tile.
struct ValueTile {
  const std::byte* data = nullptr;
  index_t keys = 0;
  index_t distance = 0, width = 0,
          bytes = 4;  ///< elements from one key to the next, elements of a value, of an element
  bool in_panels = false;
  bool (*finite)(const std::byte*, index_t, index_t, index_t, bool) = nullptr;
  int known_finite = -1;  ///< 1 or 0 once it was asked for

  [[nodiscard]] bool are_finite() {
    if (known_finite < 0) known_finite = finite(data, distance, width, keys, in_panels);
    return known_finite == 1;
  }
};

/// Adds the values of keys [begin, end) of the tile to `rows` rows from row r on, of the row tile `kernel`; columns
/// from c on where values lie row after row.
template <class V>
MOLMO_INLINE void add_run(const KvKernels& kernels, const ValueTile& t, index_t r, index_t rows, int kernel,
                          index_t begin, index_t end, index_t c, const float* p, index_t stride, float* out,
                          index_t width) {
  if (t.in_panels) {
    constexpr index_t together = panel_rows_at_once<V>;
    const index_t first = begin & ~(kv_panel - 1);
    for (index_t i = r; i < r + rows;) {
      const bool several = i + together <= r + rows;
      kernels.value_panels[several](t.data + first * t.width * t.bytes, t.width, begin - first, end - first,
                                    p + i * stride + first, stride, out + i * width, width);
      i += several ? together : 1;
    }
    return;
  }
  constexpr index_t some_columns = value_block * V::size;
  const index_t columns = t.width - c < some_columns ? t.width - c : some_columns;
  // What to prefetch: the next columns of these keys, or a row that comes a little later (f32 needs no help).
  const index_t ahead = t.width <= some_columns ? (t.bytes == 4 ? 0 : 2048 / t.bytes) : some_columns;
  kernels.values[kernel](t.data + (begin * t.distance + c) * t.bytes, t.distance, columns, end - begin,
                         p + r * stride + begin, stride, out + r * width + c, width, ahead);
}

/// Which keys the rows of a row tile see, together.
struct SeenTogether {
  static constexpr index_t most_words = 8;
  std::uint64_t any[most_words];    ///< by a row
  std::uint64_t every[most_words];  ///< by each row
  index_t differing = 0;            ///< keys that some rows see and others do not
  index_t begin = 0, end = 0;       ///< the first and the last that any row sees
  bool holes = false;               ///< between them are keys that no row sees

  SeenTogether(const std::uint64_t* seen, index_t words, index_t stride, index_t rows, index_t keys) {
    for (index_t w = 0; w < words; ++w) {
      any[w] = every[w] = seen[w];
      for (index_t i = 1; i < rows; ++i) any[w] |= seen[i * stride + w], every[w] &= seen[i * stride + w];
      differing += std::popcount(any[w] ^ every[w]);
    }
    index_t runs = 0;
    each_run(any, keys, [&](index_t from, index_t to) {
      begin = runs++ == 0 ? from : begin;
      end = to;
    });
    holes = runs > 1;
  }
};

/// The values of `keys` keys of a tile from its key `first` on, by weights that weigh_seen made.
template <class V>
void add_seen_values(const KvKernels& kernels, ValueTile& t, index_t rows, index_t first, index_t keys, const float* p,
                     index_t stride, const std::uint64_t* seen, index_t words, float* out, index_t width) {
  constexpr index_t few_keys = 16;  // for which looking through the values is not worth it
  const index_t step = t.in_panels ? t.width : value_block * V::size;
  ValueTile part = t;
  part.data += first * (t.in_panels ? t.width : t.distance) * t.bytes;
  for (index_t c = 0; c < t.width; c += step)
    each_row_tile<V>(rows, [&](index_t r, index_t count, int kernel) {
      const auto add = [&](index_t row, index_t of_rows, int of_kernel, index_t begin, index_t end) {
        add_run<V>(kernels, part, row, of_rows, of_kernel, begin, end, c, p, stride, out, width);
      };
      if (words == 0) return add(r, count, kernel, 0, keys);
      const SeenTogether together(seen + r * words, (keys + 63) / 64, words, count, keys);
      if (together.begin == together.end) return;
      if (together.differing == 0 && !together.holes) return add(r, count, kernel, together.begin, together.end);
      if (together.differing > few_keys || together.holes) {
        if (t.are_finite()) return add(r, count, kernel, together.begin, together.end);
      }
      each_run(together.every, keys, [&](index_t begin, index_t end) { add(r, count, kernel, begin, end); });
      if (together.differing == 0) return;
      for (index_t i = r; i < r + count; ++i) {
        std::uint64_t own[SeenTogether::most_words];
        for (index_t w = 0; w < (keys + 63) / 64; ++w) own[w] = seen[i * words + w] & ~together.every[w];
        each_run(own, keys, [&](index_t begin, index_t end) { add(i, 1, 0, begin, end); });
      }
    });
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
