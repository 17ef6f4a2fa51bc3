// SPDX-License-Identifier: Apache-2.0
// The inner loops of attention on Xsimd, templates of the register V, the element type E of the cache, and the number R
// of query rows that share each loaded key and value: 1, 2, 4 and 12 with V::size = 16 (AVX-512), else 1, 2, 4 and 6.
//
//   add_scores       p[r][j] = q[r] . k[j] for up to 64 keys: q broadcast times registers of keys, no sum across lanes
//   add_values       out[r] += p[r][j] v[j]: p broadcast times rows of v
//   add_value_panels the same where values lie as keys do: sums across lanes, once per call
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/attention/cpu_weigh.hpp>
#include <molmo/ops/attention/kv.hpp>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// Rows of the largest tile: 12 x 2 sums in the 32 registers of AVX-512, 6 x 2 in 16. (6 x 4 take fewer loads for each
/// multiply-add, but twice the keys in the first cache: slower where head_dim is 64 or more.)
template <class V>
inline constexpr int row_tile = V::size == 16 ? 12 : 6;
/// Calls f(first row, rows, kernel) for the tiles that make up `rows` rows.
template <class V, class F>
MOLMO_INLINE void each_row_tile(index_t rows, F&& f) {
  constexpr index_t sizes[] = {1, 2, 4, row_tile<V>};
  int kernel = 3;
  for (index_t r = 0; r < rows; r += sizes[kernel]) {
    while (sizes[kernel] > rows - r) --kernel;
    f(r, sizes[kernel], kernel);
  }
}

/// May a tile of R rows have four registers of keys or values?
template <class V, int R>
inline constexpr bool four_beside = R <= 2;

/// Keys that are weighted at once where there are many rows: the distance between the rows of p, for every R above 4.
inline constexpr index_t short_tile = 64;

/// V::size neighbours of the cache; codes of q8 without their scale.
template <class V, class E>
MOLMO_INLINE V load_kv(const E* p) {
  if constexpr (!std::is_same_v<E, std::int8_t>) {
    return V::load(p);
  } else {
#if MOLMO_AVX512
    if constexpr (std::is_base_of_v<xsimd::avx512f, typename V::arch>) {
      const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      return typename V::batch(
          _mm512_maskz_cvtepi32_ps(__mmask16{0xffff}, _mm512_maskz_cvtepi8_epi32(__mmask16{0xffff}, codes)));
    } else
#endif
#if MOLMO_AVX2
        if constexpr (std::is_base_of_v<xsimd::avx2, typename V::arch>) {
      const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
      return typename V::batch(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)));
    } else
#endif
    {
      return V::load(p);
    }
  }
}

/// Asks for the cache line at p; nothing happens where there is no memory.
MOLMO_INLINE void fetch_ahead(const void* p) { __builtin_prefetch(p); }

/// KN registers of keys at k for R rows: p[r * stride + ...] = q[r] . k[...]. q lies [head_dim / 16][R][16]. Prefetches
/// the keys that come next, except f32 keys for few rows: such a loop does little but load, and the processor itself
/// sees what it will need.
template <class V, class E, int R, int KN>
MOLMO_INLINE void score_registers(const float* q, const E* k, index_t head_dim, float* p, index_t stride) {
  constexpr int in_panel = static_cast<int>(kv_panel) / V::size, panels = KN > in_panel ? KN / in_panel : 1;
  constexpr index_t steps_of_a_line = 64 / (kv_panel * static_cast<index_t>(sizeof(E)));
  V a[R][KN];
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) MOLMO_UNROLL
  for (int n = 0; n < KN; ++n) a[r][n] = V::broadcast(0.0f);
  for (index_t left = head_dim; left > 0; left -= 16, q += 16 * R) {
    const index_t here = left < 16 ? left : 16;
    for (index_t d = 0; d < here; ++d, k += kv_panel) {
      V ks[KN];
      MOLMO_UNROLL
      for (int n = 0; n < KN; ++n) ks[n] = load_kv<V>(k + n / in_panel * kv_panel * head_dim + n % in_panel * V::size);
      if ((R > 4 || sizeof(E) < 4) && (d & (steps_of_a_line - 1)) == 0) {
        MOLMO_UNROLL
        for (int n = 0; n < panels; ++n) fetch_ahead(k + (panels + n) * kv_panel * head_dim);
      }
      MOLMO_UNROLL
      for (int r = 0; r < R; ++r) {
        const V x = V::broadcast(q[r * 16 + d]);
        MOLMO_UNROLL
        for (int n = 0; n < KN; ++n) a[r][n] = fma(x, ks[n], a[r][n]);
      }
    }
  }
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) MOLMO_UNROLL
  for (int n = 0; n < KN; ++n) a[r][n].store(p + r * stride + n * V::size);
}

/// Scores of `keys` keys, a multiple of 16, that start a panel.
template <class V, class E, int R>
void add_scores(const float* q, const std::byte* keys_of_head, index_t head_dim, index_t keys, float* p,
                index_t stride) {
  const E* const k = reinterpret_cast<const E*>(keys_of_head);
  constexpr int panel_registers = static_cast<int>(kv_panel) / V::size;
  constexpr int many = four_beside<V, R> ? 4 : 2;  // registers of keys at once
  if constexpr (R > 4) stride = short_tile;
  index_t j = 0;
  for (; j + many * V::size <= keys; j += many * V::size)
    score_registers<V, E, R, many>(q, k + j / kv_panel * kv_panel * head_dim + j % kv_panel, head_dim, p + j, stride);
  if constexpr (many > panel_registers) {
    for (; j < keys; j += kv_panel)
      score_registers<V, E, R, panel_registers>(q, k + j * head_dim, head_dim, p + j, stride);
  }
}

/// out[r][0 ... N registers) += sum over j < keys of p[r][j] v[j][...], values head_dim apart. Where few registers are
/// summed, several keys are summed side by side, so that the multiply-adds do not wait for one another. Fetches the
/// values that lie `ahead` elements on; 0: none.
template <class V, class E, int R, int N>
MOLMO_INLINE void value_registers(const E* v, index_t head_dim, index_t keys, const float* p, index_t stride,
                                  float* out, index_t out_stride, index_t ahead) {
  constexpr int side_by_side = R * N >= 8 ? 1 : R * N >= 4 ? 2 : 4;
  V a[side_by_side][R][N];
  MOLMO_UNROLL
  for (int s = 0; s < side_by_side; ++s) MOLMO_UNROLL
  for (int r = 0; r < R; ++r) MOLMO_UNROLL
  for (int n = 0; n < N; ++n) a[s][r][n] = s == 0 ? V::load(out + r * out_stride + n * V::size) : V::broadcast(0.0f);
  const auto add = [&](index_t j, int s) {
    const E* row = v + j * head_dim;
    V vs[N];
    MOLMO_UNROLL
    for (int n = 0; n < N; ++n) vs[n] = load_kv<V>(row + n * V::size);
    if (ahead != 0) {
      constexpr int line = 64 / static_cast<int>(sizeof(E));
      MOLMO_UNROLL
      for (int n = 0; n < N * V::size; n += line) fetch_ahead(row + ahead + n);
    }
    MOLMO_UNROLL
    for (int r = 0; r < R; ++r) {
      const V w = V::broadcast(p[r * stride + j]);
      MOLMO_UNROLL
      for (int n = 0; n < N; ++n) a[s][r][n] = fma(w, vs[n], a[s][r][n]);
    }
  };
  index_t j = 0;
  for (; j + side_by_side <= keys; j += side_by_side) {
    MOLMO_UNROLL
    for (int s = 0; s < side_by_side; ++s) add(j + s, s);
  }
  if constexpr (side_by_side > 1) {
    for (; j < keys; ++j) add(j, 0);
  }
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) MOLMO_UNROLL
  for (int n = 0; n < N; ++n) {
    V sum = a[0][r][n];
    if constexpr (side_by_side == 2) sum = sum + a[1][r][n];
    if constexpr (side_by_side == 4) sum = (sum + a[1][r][n]) + (a[2][r][n] + a[3][r][n]);
    sum.store(out + r * out_stride + n * V::size);
  }
}

/// Registers of a row of values that are walked together.
inline constexpr int value_block = 4;

/// The same for `columns` neighbours of values, at most value_block registers. `out` rows are filled up to whole
/// registers; what comes there behind the last column has no meaning.
template <class V, class E, int R>
void add_values(const std::byte* values_of_head, index_t head_dim, index_t columns, index_t keys, const float* p,
                index_t stride, float* out, index_t out_stride, index_t ahead) {
  const E* const v = reinterpret_cast<const E*>(values_of_head);
  if constexpr (R > 4) stride = short_tile;
  index_t c = 0;
  if constexpr (R == 12) {
    if (columns > 2 * V::size && columns <= 3 * V::size) {  // 6 x 3 and 6 x 3 instead of 12 x 2 and 12 x 1
      value_registers<V, E, 6, 3>(v, head_dim, keys, p, stride, out, out_stride, ahead);
      value_registers<V, E, 6, 3>(v, head_dim, keys, p + 6 * stride, stride, out + 6 * out_stride, out_stride, ahead);
      return;
    }
  }
  if constexpr (four_beside<V, R> || (R == 4 && V::size == 16)) {  // few loads a row: 4, 3 or 1 registers of it
    if (columns > 2 * V::size) {
      if (columns > 3 * V::size)
        value_registers<V, E, R, 4>(v, head_dim, keys, p, stride, out, out_stride, ahead);
      else
        value_registers<V, E, R, 3>(v, head_dim, keys, p, stride, out, out_stride, ahead);
      return;
    }
  } else {
    for (; c + V::size < columns; c += 2 * V::size)
      value_registers<V, E, R, 2>(v + c, head_dim, keys, p, stride, out + c, out_stride, ahead);
  }
  for (; c < columns; c += V::size)
    value_registers<V, E, R, 1>(v + c, head_dim, keys, p, stride, out + c, out_stride, ahead);
}

/// a[r][i] += p[r][...] times element i of the values of one register of keys. At an edge, lanes before `begin` and
/// from `end` on may hold anything.
template <class V, class E, int R, bool Edge>
MOLMO_INLINE void add_panel(V (&a)[R][8], const E* v, const float* p, index_t stride, index_t begin, index_t end) {
  V w[R];
  MOLMO_UNROLL
  for (int r = 0; r < R; ++r) w[r] = V::load(p + r * stride);
  MOLMO_UNROLL
  for (int i = 0; i < 8; ++i) {
    V x = load_kv<V>(v + i * kv_panel);
    if constexpr (Edge) {
      const V lane = V::load(lane_numbers), zero = V::broadcast(0.0f);
      x = select_less(lane, V::broadcast(static_cast<float>(begin)), zero, x);
      x = select_less(lane, V::broadcast(static_cast<float>(end)), x, zero);
    }
    MOLMO_UNROLL
    for (int r = 0; r < R; ++r) a[r][i] = fma(w[r], x, a[r][i]);
  }
}

/// out[r] += sum over j in [begin, end) of p[r][j] v[j], values in panels; v and p start at a panel, begin lies in the
/// first one. Weights of other keys in those panels are finite.
template <class V, class E, int R>
void add_value_panels(const std::byte* values_of_head, index_t head_dim, index_t begin, index_t end, const float* p,
                      index_t stride, float* out, index_t out_stride) {
  const E* const v = reinterpret_cast<const E*>(values_of_head);
  for (index_t c = 0; c < head_dim; c += 8) {
    V a[R][8];
    MOLMO_UNROLL
    for (int r = 0; r < R; ++r) MOLMO_UNROLL
    for (int i = 0; i < 8; ++i) a[r][i] = V::broadcast(0.0f);
    const E* panel = v + c * kv_panel;
    for (index_t j = 0; j < end; j += kv_panel, panel += kv_panel * head_dim) {
      const bool edge = j < begin || end - j < kv_panel;
      MOLMO_UNROLL
      for (int n = 0; n < static_cast<int>(kv_panel); n += V::size) {
        if (edge)
          add_panel<V, E, R, true>(a, panel + n, p + j + n, stride, begin - j - n, end - j - n);
        else
          add_panel<V, E, R, false>(a, panel + n, p + j + n, stride, 0, 0);
      }
    }
    using Eight = std::conditional_t<is_wide<V>, Narrower, V>;  // what is loaded was stored in one piece
    MOLMO_UNROLL
    for (int r = 0; r < R; ++r) {
      alignas(64) float sums[8];
      V::reduce_add8(a[r], sums);
      float* to = out + r * out_stride + c;
      for (int i = 0; i < 8; i += Eight::size) (Eight::load(to + i) + Eight::load(sums + i)).store(to + i);
    }
  }
}

/// The loops above for one format, by number of rows: 1, 2, 4, row_tile. What is around them is compiled once.
struct KvKernels {
  void (*scores[4])(const float*, const std::byte*, index_t, index_t, float*, index_t);
  void (*values[4])(const std::byte*, index_t, index_t, index_t, const float*, index_t, float*, index_t, index_t);
  void (*value_panels[2])(const std::byte*, index_t, index_t, index_t, const float*, index_t, float*, index_t);
};
/// Sums of two rows of values in panels fit the 32 registers of AVX-512.
template <class V>
inline constexpr int panel_rows_at_once = V::size == 16 ? 2 : 1;

template <class V, class E>
inline constexpr KvKernels kv_kernels{
    {add_scores<V, E, 1>, add_scores<V, E, 2>, add_scores<V, E, 4>, add_scores<V, E, row_tile<V>>},
    {add_values<V, E, 1>, add_values<V, E, 2>, add_values<V, E, 4>, add_values<V, E, row_tile<V>>},
    {add_value_panels<V, E, 1>, add_value_panels<V, E, panel_rows_at_once<V>>}};

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
