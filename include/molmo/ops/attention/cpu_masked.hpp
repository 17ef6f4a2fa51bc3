// SPDX-License-Identifier: Apache-2.0
// Attention with masks and score edits on Xsimd: the loops of cpu_tile.hpp over those tiles that the mask shows.
//
// A unit of work is a run of query rows of one kv head, cut into blocks of up to 24 rows. It walks the keys in tiles of
// 64; for each block the mask says of the tile: none, and nothing of it is loaded; all, and no score is tested; some,
// and each row's word says which scores stay (cpu_seen.hpp). Keys in a tensor are packed once per tile and unit, so
// such units have more rows. What is compiled for each mask and edit is the walk below; the loops are shared.
// A thread's memory is its piece of the backend's scratch and does not grow with the context. Who computes a unit does
// not matter to its bits.
#pragma once

#include <molmo/ops/attention/cpu_seen.hpp>
#include <molmo/ops/attention/masked.hpp>
#include <molmo/ops/attention/split.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// How masked attention is cut, and the floats of a thread: by the sizes only, so that the bits are too.
struct MaskedCut {
  static constexpr index_t block = AttentionSplit::most_rows, few = 4, long_tile = 512, most_blocks = 8;
  static constexpr index_t most_floats = static_cast<index_t>(Scratch::piece_bytes / sizeof(float));
  index_t rows = 0;                            ///< of a unit
  index_t units = 0;                           ///< of a kv head
  index_t tile = 0;                            ///< the distance between rows of scores
  index_t step = 0;                            ///< keys that are walked together, at most a tile
  index_t q_width = 0, v_width = 0;            ///< filled up to 16
  index_t packed_keys = 0, packed_values = 0;  ///< floats

  [[nodiscard]] static constexpr MaskedCut of(const AttentionOperands& a, bool copies_values) {
    MaskedCut c;
    c.q_width = (a.q.width + 15) / 16 * 16, c.v_width = (a.v.width + 15) / 16 * 16;
    const index_t all = a.q.tokens * a.group();
    const bool packs = a.k.data != nullptr;
    c.tile = all <= few && !packs && !copies_values ? long_tile : short_tile;
    // Wide heads in tensors: fewer keys at once, then fewer rows, so that the packed tile fits beside them.
    c.step = c.tile;
    const index_t packed = (packs ? a.q.width : 0) + (copies_values ? c.v_width : 0);
    while (packed > 0 && c.step > kv_panel && c.step * packed > most_floats * 5 / 8) c.step /= 2;
    c.packed_keys = packs ? c.step * a.q.width : 0;
    c.packed_values = copies_values ? c.step * c.v_width : 0;
    const index_t row = c.q_width + c.v_width + 16;
    const index_t fit = (most_floats - few * long_tile - c.packed_keys - c.packed_values) / row;
    index_t wanted = packs ? most_blocks * block : block;
    // At least sixteen units, where there are that many blocks.
    while (wanted > block && (all + wanted - 1) / wanted * a.k.heads < 16) wanted -= block;
    c.rows = fit < wanted ? (fit > block ? fit / block * block : fit) : wanted;
    c.units = c.rows > 0 ? (all + c.rows - 1) / c.rows : 0;
    return c;
  }
};

/// What the threads share.
struct MaskedWork {
  const AttentionOperands& a;
  MaskedCut cut;
  const KvKernels& key_kernels;
  const KvKernels& value_kernels;
  ValueTile values;  ///< what is the same for all tiles
  bool copies_values = false, edits = false;
};

/// A unit: its rows and its memory.
struct MaskedUnit {
  index_t g, first, rows;
  float *q, *out, *p, *total, *keys, *values;
  WeightedRow state[static_cast<std::size_t>(MaskedCut::block * MaskedCut::most_blocks)];
};

template <class V>
void begin_unit(const MaskedWork& w, MaskedUnit& u, index_t g, index_t unit, float* memory) {
  const MaskedCut& cut = w.cut;
  const index_t group = w.a.group(), left = w.a.q.tokens * group - unit * cut.rows;
  u.g = g, u.first = unit * cut.rows, u.rows = left < cut.rows ? left : cut.rows;
  u.p = memory;
  u.total = u.p + MaskedCut::few * MaskedCut::long_tile;
  u.q = u.total + cut.rows * 16;
  u.out = u.q + cut.rows * cut.q_width;
  u.keys = u.out + cut.rows * cut.v_width;
  u.values = u.keys + cut.packed_keys;
  const V zero = V::broadcast(0.0f);
  for (index_t i = 0; i < u.rows * cut.v_width; i += V::size) zero.store(u.out + i);
  for (index_t i = 0; i < u.rows; ++i) zero.store(u.total + i * V::size);
  for (index_t r = 0, token = u.first / group, head = u.first % group; r < u.rows; ++r) {
    u.state[r] = {token, head, 0, std::numeric_limits<float>::lowest()};
    if (++head == group) head = 0, ++token;
  }
  // Weights are powers of two; where scores are edited, they are first what the formula says.
  const V scale = V::broadcast(w.a.scale * (w.edits ? 1.0f : log2_e));
  const index_t d = w.a.q.width;
  for (index_t b = 0; b < u.rows; b += MaskedCut::block) {
    const index_t rows = u.rows - b < MaskedCut::block ? u.rows - b : MaskedCut::block;
    each_row_tile<V>(rows, [&](index_t r, index_t count, int) {
      for (index_t i = 0; i < count; ++i) {
        const WeightedRow& s = u.state[b + r + i];
        const float* from = w.a.q.at(s.token, g * group + s.head);
        float* to = u.q + (b + r) * cut.q_width + i * 16;  // [d / 16][count][16]
        for (index_t c = 0; c < d; c += V::size) {
          const V x = c + V::size <= d ? V::load(from + c) : V::load(from + c, static_cast<int>(d - c));
          (x * scale).store(to + c / 16 * 16 * count + c % 16);
        }
      }
    });
  }
}

template <class V>
void end_unit(const MaskedWork& w, MaskedUnit& u) {
  const index_t d = w.a.v.width, group = w.a.group();
  for (index_t r = 0; r < u.rows; ++r) {
    const WeightedRow& s = u.state[r];
    const index_t h = u.g * group + s.head;
    float total = reduce_add(V::load(u.total + r * V::size)), shift = s.shift, factor = 1;
    if (w.a.sinks != nullptr) {
      const float sink = w.a.sinks[h] * log2_e;
      const float top = total == 0 || sink > shift ? sink : shift;
      factor = total == 0 ? 0 : std::exp2(shift - top);
      const bool none = top == -std::numeric_limits<float>::infinity();  // nothing seen, and no sink to speak of
      total = none ? 0 : total * factor + std::exp2(sink - top), shift = top;
    }
    const V inverse = V::broadcast(total == 0 || factor == 0 ? 0.0f : factor / total);
    const float* from = u.out + r * w.cut.v_width;
    float* to = w.a.out.at(s.token, h);
    index_t c = 0;
    for (; c + V::size <= d; c += V::size) (V::load(from + c) * inverse).store(to + c);
    if (c < d) (V::load(from + c) * inverse).store(to + c, static_cast<int>(d - c));
    if (w.a.lse != nullptr)
      w.a.lse[s.token * w.a.q.heads + h] =
          total == 0 ? -std::numeric_limits<float>::infinity() : (shift + std::log2(total)) * 0.69314718055994531f;
  }
}

inline index_t key_bytes(const AttentionOperands& a) {
  return a.k.width * (a.k.data != nullptr ? 4 : kv_element_bytes(a.key_cache.format));
}
/// Where the keys from j on begin: in the cache, or packed.
inline const std::byte* keys_of_tile(const MaskedWork& w, const MaskedUnit& u, index_t j) {
  const AttentionOperands& a = w.a;
  if (a.k.data != nullptr) return reinterpret_cast<const std::byte*>(u.keys);
  return a.key_cache.k + (u.g * a.key_cache.room + j) * key_bytes(a);
}
/// Where the values of `count` keys from j on begin; copies them where they have to be.
inline const std::byte* values_of_tile(const MaskedWork& w, const MaskedUnit& u, index_t j, index_t count) {
  const AttentionOperands& a = w.a;
  if (a.v.data == nullptr)
    return a.value_cache.v + (u.g * a.value_cache.room + j) * a.v.width * kv_element_bytes(a.value_cache.format);
  if (!w.copies_values) return reinterpret_cast<const std::byte*>(a.v.at(j, u.g));
  copy_values(a.v.at(j, u.g), a.v.token, a.v.width, count, u.values, w.cut.v_width);
  return reinterpret_cast<const std::byte*>(u.values);
}

/// What a block of rows sees of a tile: keys [begin, end) of it, begin being the start of a panel.
struct SeenTile {
  Sees sees = Sees::none;
  index_t begin = 0, end = 0;
};

/// Asks the mask about the rows of block b and `here` keys from j on. Where they see some, fills the words of each row,
/// seen[r * words ...], which are those of keys from `begin` on.
template <class M>
SeenTile see_tile(const MaskedWork& w, const MaskedUnit& u, const M& mask, index_t b, index_t rows, index_t j,
                  index_t here, std::uint64_t* seen, index_t words) {
  const AttentionOperands& a = w.a;
  const index_t first_head = u.g * a.group(), k = a.first_key + j;
  const WeightedRow* state = u.state + b;
  const bool one_token = state[0].token == state[rows - 1].token;
  const MaskTile tile{a.query_position(state[0].token),
                      a.query_position(state[rows - 1].token) + 1,
                      k,
                      k + here,
                      first_head + (one_token ? state[0].head : 0),
                      first_head + (one_token ? state[rows - 1].head + 1 : a.group())};
  const Sees said = mask_over(mask, tile);
  if (said == Sees::none || (said == Sees::all && here % kv_panel == 0)) return {said, 0, here};
  std::uint64_t any[SeenTogether::most_words] = {}, every[SeenTogether::most_words];
  for (std::uint64_t& word : every) word = ~std::uint64_t{0};
  for (index_t r = 0; r < rows; ++r) {
    const bool same = !mask_by_head<M>() && r > 0 && state[r].token == state[r - 1].token;
    for (index_t i = 0; i < words; ++i) {
      const index_t left = here - i * 64, count = left < 0 ? 0 : left < 64 ? left : 64;
      std::uint64_t word = low_bits(count);
      if (same)
        word = seen[(r - 1) * words + i];
      else if (said == Sees::some && count > 0)
        word &= mask_word(mask, a.query_position(state[r].token), k + i * 64, count, first_head + state[r].head);
      seen[r * words + i] = word;
      any[i] |= word, every[i] &= word;
    }
  }
  SeenTile t;
  for (index_t i = words - 1; i >= 0 && t.end == 0; --i)
    if (any[i] != 0) t.end = i * 64 + 64 - std::countl_zero(any[i]);
  if (t.end == 0) return t;
  while (any[t.begin / 64] == 0) t.begin += 64;
  if (words == 1) {
    t.begin = std::countr_zero(any[0]) & ~(kv_panel - 1);
    for (index_t r = 0; r < rows; ++r) seen[r] >>= t.begin;
    every[0] >>= t.begin;
  }
  bool all = (t.end - t.begin) % kv_panel == 0;
  for (index_t i = t.begin, first = words == 1 ? 0 : t.begin / 64; i < t.end; i += 64, ++first)
    all = all && (~every[first] & low_bits(t.end - i)) == 0;
  t.sees = all ? Sees::all : Sees::some;
  return t;
}

/// Edits the scores of a row and makes them scores of powers of two.
template <class V, class E>
void edit_row(const AttentionOperands& a, const E& edit, const WeightedRow& row, index_t head, index_t j, index_t keys,
              float* p) {
  const auto all_but_count = [&](auto& at, index_t c) {
    at.row = row.token, at.col = j + c, at.query = a.query_position(row.token), at.head = head;
    at.first_key = a.first_key;
    at.score = V::load(p + c);
    at.key = V::load(lane_numbers) + V::broadcast(static_cast<float>(a.first_key + j + c));
    (edit.eval(at) * V::broadcast(log2_e)).store(p + c);
  };
  index_t c = 0;
  ScoreAt<LanesAt<V>> at;
  for (; c + V::size <= keys; c += V::size) all_but_count(at, c);
  if (c < keys) {
    ScoreAt<TailAt<V>> tail;
    tail.count = static_cast<int>(keys - c);
    all_but_count(tail, c);
  }
}

/// A block of rows and a tile of keys.
template <class V, class M, class E>
void attend_tile(const MaskedWork& w, MaskedUnit& u, const M& mask, const E& edit, index_t b, index_t j, index_t here,
                 bool& packed, ValueTile& values) {
  const AttentionOperands& a = w.a;
  const index_t rows = u.rows - b < MaskedCut::block ? u.rows - b : MaskedCut::block, tile = w.cut.tile;
  std::uint64_t seen[static_cast<std::size_t>(MaskedCut::few * MaskedCut::long_tile / 64)];
  static_assert(MaskedCut::block <= MaskedCut::few * MaskedCut::long_tile / 64);
  const index_t all_words = tile / 64;
  const SeenTile said = see_tile(w, u, mask, b, rows, j, here, seen, all_words);
  if (said.sees == Sees::none) return;
  if (!packed) {
    values.data = values_of_tile(w, u, j, here), values.keys = here, values.known_finite = -1;
    if (a.k.data != nullptr) pack_keys(a.k.at(j, u.g), a.k.token, a.k.width, here, u.keys);
    packed = true;
  }
  const index_t words = said.sees == Sees::all ? 0 : all_words, begin = said.begin, count = said.end - begin;
  const std::uint64_t* const of_rows = seen + (all_words == 1 ? 0 : begin / 64);
  const std::byte* const keys = keys_of_tile(w, u, j) + begin * key_bytes(a);
  const index_t step = rows <= 2 ? tile : short_tile / 2;
  for (index_t i = 0; i < count; i += step) {
    const index_t some = kv_room(count - i < step ? count - i : step);
    each_row_tile<V>(rows, [&](index_t r, index_t, int kernel) {
      w.key_kernels.scores[kernel](u.q + (b + r) * w.cut.q_width, keys + i * key_bytes(a), a.k.width, some,
                                   u.p + r * tile + i, tile);
    });
  }
  if (a.k.data == nullptr && a.key_cache.format == KvFormat::q8)
    scale_seen<V>(rows, count, u.p, tile, of_rows, words, a.key_cache.k_scales + u.g * a.key_cache.room + j + begin);
  if constexpr (!std::is_same_v<E, Score>)
    for (index_t r = 0; r < rows; ++r)
      edit_row<V>(a, edit, u.state[b + r], u.g * a.group() + u.state[b + r].head, j + begin, count, u.p + r * tile);
  float* out = u.out + b * w.cut.v_width;
  weigh_seen<V>(u.state + b, rows, count, u.p, tile, of_rows, words, u.total + b * V::size, out, w.cut.v_width);
  if (a.v.data == nullptr && a.value_cache.format == KvFormat::q8)
    scale_seen<V>(rows, count, u.p, tile, of_rows, words,
                  a.value_cache.v_scales + u.g * a.value_cache.room + j + begin);
  add_seen_values<V>(w.value_kernels, values, rows, begin, count, u.p, tile, of_rows, words, out, w.cut.v_width);
}

template <class V, class M, class E>
MOLMO_NOINLINE void attend_masked_unit(const MaskedWork& w, const M& mask, const E& edit, index_t g, index_t unit,
                                       float* memory) {
  MaskedUnit u;
  begin_unit<V>(w, u, g, unit, memory);
  ValueTile values = w.values;
  for (index_t j = 0; j < w.a.k.tokens; j += w.cut.step) {
    const index_t left = w.a.k.tokens - j, here = left < w.cut.step ? left : w.cut.step;
    bool packed = false;
    for (index_t b = 0; b < u.rows; b += MaskedCut::block) attend_tile<V>(w, u, mask, edit, b, j, here, packed, values);
  }
  end_unit<V>(w, u);
}

/// The loops for the formats of the keys and of the values.
template <class V>
MOLMO_NOINLINE MaskedWork masked_work(const AttentionOperands& a, bool edits) {
  const auto format = [](const float* rows, const KvHeads& cache) { return rows ? KvFormat::f32 : cache.format; };
  const auto kernels = []<class E>(E) -> const KvKernels& { return kv_kernels<V, E>; };
  const bool copies = a.v.data != nullptr && a.v.width % V::size != 0;
  MaskedWork w{a,
               MaskedCut::of(a, copies),
               with_kv_format(format(a.k.data, a.key_cache), kernels),
               with_kv_format(format(a.v.data, a.value_cache), kernels),
               {},
               copies,
               edits};
  const KvFormat values = format(a.v.data, a.value_cache);
  w.values.width = a.v.width, w.values.bytes = kv_element_bytes(values);
  w.values.distance = a.v.data == nullptr ? a.v.width : copies ? w.cut.v_width : a.v.token;
  w.values.in_panels = a.v.data == nullptr && values_in_panels(a.v.width);
  w.values.finite = with_kv_format(values, []<class E>(E) { return &are_finite<V, E>; });
  return w;
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch, Mask M, Expr S>
void attention(const Xsimd<Arch>& cpu, const AttentionOperands& a, const M& mask, const S& edit_of_scores) {
  using V = Lanes<Arch>;
  detail::check_call<M>(a, edit_of_scores);
  if (a.q.tokens == 0) return;
  const detail::MaskedWork work = detail::masked_work<V>(a, !std::is_same_v<S, Score>);
  const auto memory = cpu.scratch();
  if (!memory || a.q.width > AttentionSplit::most_head_dim || a.v.width > AttentionSplit::most_head_dim)
    return attention(static_cast<const Reference&>(cpu), a, mask, edit_of_scores);
  const auto edit = edit_of_scores.template erased<detail::score_walk_t<S>>();
  const index_t units = work.cut.units * a.k.heads;
  const bool worth_it = units > 1 && a.q.tokens * a.q.heads * a.q.width * a.k.tokens >= detail::parallel_attention;
  cpu.share(units, worth_it, [&](int part, int parts, int worker) {
    float* const piece = reinterpret_cast<float*>(memory[worker]);
    for (index_t u = part; u < units; u += parts)
      detail::attend_masked_unit<V>(work, mask, edit, u / work.cut.units, u % work.cut.units, piece);
  });
}

}  // namespace molmo::inline v0
