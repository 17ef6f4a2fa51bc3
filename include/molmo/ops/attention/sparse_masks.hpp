// SPDX-License-Identifier: Apache-2.0
// Block-sparse masks and the patterns of long-context models:
//
//   blocks(map, size_q, size_k, columns)   map[q / size_q][k / size_k] != 0
//   every_nth(stride)                      (q - k) a multiple of stride              global_tokens(g)   q < g or k < g
//   random_blocks(size, draws, seed, n)    `draws` random blocks of keys for each block of queries, of n positions
//   strided(w, stride)    within(w) || every_nth(stride)                   Child et al. 2019, with causal && ...
//   bigbird(w, g, ...)    within(w) || global_tokens(g) || random_blocks(...)        Zaheer et al. 2020
//   longformer(w, g)      within(w / 2, w / 2) || global_tokens(g)                   Beltagy et al. 2020
// A row whose blocks are all empty becomes 0. Tiles of the kernel are 64 keys: blocks of 64 and more skip best.
#pragma once

#include <molmo/ops/attention/masks.hpp>

namespace molmo::inline v0 {

inline namespace MOLMO_ISA {

/// Blocks of positions, seen where a byte of a map is not 0.
struct BlockMap {
  const std::uint8_t* map;
  index_t size_q, size_k, columns;

  [[nodiscard]] MOLMO_HD constexpr bool block(index_t bq, index_t bk) const { return map[bq * columns + bk] != 0; }
};

/// Blocks drawn at random: the same for the same seed, everywhere.
struct RandomBlocks {
  index_t size_q, size_k, draws, columns;
  std::uint64_t seed;

  [[nodiscard]] MOLMO_HD constexpr bool block(index_t bq, index_t bk) const {
    for (index_t i = 0; i < draws; ++i)
      if (drawn(bq, i) == bk) return true;
    return false;
  }
  // The i-th draw of a block of queries (SplitMix64 of its number). Two draws may be the same block.
  [[nodiscard]] MOLMO_HD constexpr index_t drawn(index_t bq, index_t i) const {
    std::uint64_t x = seed + static_cast<std::uint64_t>(bq * draws + i + 1) * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return static_cast<index_t>((x ^ (x >> 31)) % static_cast<std::uint64_t>(columns));
  }
};

/// A mask of blocks.
template <class B>
struct Blocks {
  B b;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k) const { return b.block(q / b.size_q, k / b.size_k); }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    bool any = false, all = true;
    for (index_t bq = t.q_begin / b.size_q; bq <= (t.q_end - 1) / b.size_q; ++bq)
      for (index_t bk = t.k_begin / b.size_k; bk <= (t.k_end - 1) / b.size_k; ++bk) {
        const bool seen = b.block(bq, bk);
        any = any || seen, all = all && seen;
      }
    return all ? Sees::all : any ? Sees::some : Sees::none;
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t count, index_t) const {
    std::uint64_t word = 0;
    for (index_t i = 0; i < count;) {
      const index_t bk = (k + i) / b.size_k, end = (bk + 1) * b.size_k - k;
      if (b.block(q / b.size_q, bk)) word |= detail::low_bits(end) & ~detail::low_bits(i);
      i = end;
    }
    return word;
  }
};

/// Keys whose distance from the query is a multiple of the stride.
struct EveryNth {
  index_t stride;
  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k) const { return (q - k) % stride == 0; }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t, index_t) const {
    const index_t past = (q - k) % stride;  // of the first key that is seen, from k on
    std::uint64_t word = 0;
    for (index_t i = past < 0 ? past + stride : past; i < 64; i += stride) word |= std::uint64_t{1} << i;
    return word;
  }
};

/// Tokens that see everything and are seen by all: the first of the sequence.
struct GlobalTokens {
  index_t count;
  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k) const { return q < count || k < count; }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    if (t.q_end <= count || t.k_end <= count) return Sees::all;
    return t.q_begin >= count && t.k_begin >= count ? Sees::none : Sees::some;
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t, index_t) const {
    return q < count ? ~std::uint64_t{0} : detail::low_bits(count - k);
  }
};

}  // inline namespace MOLMO_ISA

template <class B>
inline constexpr bool enable_mask<Blocks<B>> = true;
template <>
inline constexpr bool enable_mask<EveryNth> = true;
template <>
inline constexpr bool enable_mask<GlobalTokens> = true;

inline namespace MOLMO_ISA {

/// A map of blocks, `columns` bytes for each block of queries.
[[nodiscard]] constexpr Blocks<BlockMap> blocks(const std::uint8_t* map, index_t size_q, index_t size_k,
                                                index_t columns) {
  return {{map, size_q, size_k, columns}};
}
/// Up to `draws` blocks of `size` keys for each block of `size` queries, in a sequence of n positions.
[[nodiscard]] constexpr Blocks<RandomBlocks> random_blocks(index_t size, index_t draws, std::uint64_t seed, index_t n) {
  return {{size, size, draws, (n + size - 1) / size, seed}};
}
/// Keys a multiple of `stride` away.
[[nodiscard]] constexpr EveryNth every_nth(index_t stride) { return {stride}; }
[[nodiscard]] constexpr GlobalTokens global_tokens(index_t count) { return {count}; }

/// The neighbours less than w away, and every stride-th key.
[[nodiscard]] constexpr auto strided(index_t w, index_t stride) { return within(w) || every_nth(stride); }
/// A window, global tokens and random blocks.
[[nodiscard]] constexpr auto bigbird(index_t w, index_t global, index_t size, index_t draws, std::uint64_t seed,
                                     index_t n) {
  return within(w) || global_tokens(global) || random_blocks(size, draws, seed, n);
}
/// A window of w keys, half of it on each side, and global tokens.
[[nodiscard]] constexpr auto longformer(index_t w, index_t global) {
  return within(w / 2, w / 2) || global_tokens(global);
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
