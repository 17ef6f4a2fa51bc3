// SPDX-License-Identifier: Apache-2.0
// The masks of language models, by position of the query, q, and of the key, k:
//
//   causal              k <= q                      bidirectional       every key
//   within(w)           |q - k| < w                 within(left, right) q - left <= k <= q + right
//   chunked(c)          q / c == k / c              prefix(n)           k < n: keys that all queries see
//   keys_below(n)       k < n: the rest is padding  diagonal            q == k
//   documents(ids)      ids[q] == ids[k]            subsegments(ids)    ids[q] <= ids[k]
//   keys_where(flags)   flags[k] != 0               queries_where(flags) flags[q] != 0
// A sliding window of w keys, the query's own included, is causal && within(w); a prefix LM is causal || prefix(n).
// Queries stand at the end of the keys: query i of n among m keys has position m - n + i, unless the call says more.
#pragma once

#include <molmo/ops/attention/mask.hpp>

namespace molmo::inline v0 {

namespace detail {

/// No position: before all and behind all.
inline constexpr index_t before_all = index_t{-1} << 60, behind_all = index_t{1} << 60;

}  // namespace detail

inline namespace MOLMO_ISA {

struct Causal {
  [[nodiscard]] MOLMO_HD static constexpr KeyRange keys(index_t q) { return {detail::before_all, q + 1}; }
};
struct Bidirectional {
  [[nodiscard]] MOLMO_HD static constexpr KeyRange keys(index_t) { return {detail::before_all, detail::behind_all}; }
};
struct Within {
  index_t left, right;
  [[nodiscard]] MOLMO_HD constexpr KeyRange keys(index_t q) const { return {q - left, q + right + 1}; }
};
struct Chunked {
  index_t size;
  [[nodiscard]] MOLMO_HD constexpr KeyRange keys(index_t q) const {
    const index_t first = (q >= 0 ? q : q - size + 1) / size * size;  // rounded down
    return {first, first + size};
  }
};
struct KeysBelow {
  index_t end;
  [[nodiscard]] MOLMO_HD constexpr KeyRange keys(index_t) const { return {detail::before_all, end}; }
};

/// Queries or keys with a flag.
template <bool OfQuery>
struct Flagged {
  const std::uint8_t* flags;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k) const { return flags[OfQuery ? q : k] != 0; }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    const index_t begin = OfQuery ? t.q_begin : t.k_begin, end = OfQuery ? t.q_end : t.k_end;
    index_t set = 0;
    for (index_t i = begin; i < end; ++i) set += flags[i] != 0;
    return set == 0 ? Sees::none : set == end - begin ? Sees::all : Sees::some;
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t count, index_t) const {
    if (OfQuery) return flags[q] != 0 ? ~std::uint64_t{0} : 0;
    std::uint64_t word = 0;
    for (index_t i = 0; i < count; ++i) word |= static_cast<std::uint64_t>(flags[k + i] != 0) << i;
    return word;
  }
};

}  // inline namespace MOLMO_ISA

namespace detail {

/// The smallest and the largest label of a range.
struct LabelRange {
  std::int32_t least, most;
};

}  // namespace detail

namespace detail::inline MOLMO_ISA {

MOLMO_HD constexpr LabelRange label_range(const std::int32_t* labels, index_t begin, index_t end) {
  LabelRange r{labels[begin], labels[begin]};
  for (index_t i = begin + 1; i < end; ++i) {
    r.least = labels[i] < r.least ? labels[i] : r.least;
    r.most = labels[i] > r.most ? labels[i] : r.most;
  }
  return r;
}

// Rules that compare the label of a query with that of a key, and the same for ranges of labels.
struct same_label {
  MOLMO_HD static constexpr bool sees(std::int32_t q, std::int32_t k) { return q == k; }
  MOLMO_HD static constexpr Sees over(LabelRange q, LabelRange k) {
    if (q.most < k.least || k.most < q.least) return Sees::none;
    return q.least == q.most && k.least == k.most ? Sees::all : Sees::some;
  }
};
struct label_up_to {
  MOLMO_HD static constexpr bool sees(std::int32_t q, std::int32_t k) { return q <= k; }
  MOLMO_HD static constexpr Sees over(LabelRange q, LabelRange k) {
    return q.least > k.most ? Sees::none : q.most <= k.least ? Sees::all : Sees::some;
  }
};

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// A rule about the labels of the two positions. Tiles are judged by the smallest and the largest label in them.
template <class Rule>
struct Labelled {
  const std::int32_t* of_query;  ///< by position
  const std::int32_t* of_key;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k) const { return Rule::sees(of_query[q], of_key[k]); }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    return Rule::over(detail::label_range(of_query, t.q_begin, t.q_end),
                      detail::label_range(of_key, t.k_begin, t.k_end));
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t count, index_t) const {
    const std::int32_t own = of_query[q];
    std::uint64_t word = 0;
    for (index_t i = 0; i < count; ++i) word |= static_cast<std::uint64_t>(Rule::sees(own, of_key[k + i])) << i;
    return word;
  }
};

}  // inline namespace MOLMO_ISA

template <>
inline constexpr bool enable_mask<Causal> = true;
template <>
inline constexpr bool enable_mask<Bidirectional> = true;
template <>
inline constexpr bool enable_mask<Within> = true;
template <>
inline constexpr bool enable_mask<Chunked> = true;
template <>
inline constexpr bool enable_mask<KeysBelow> = true;
template <bool OfQuery>
inline constexpr bool enable_mask<Flagged<OfQuery>> = true;
template <class Rule>
inline constexpr bool enable_mask<Labelled<Rule>> = true;

inline namespace MOLMO_ISA {

/// A token sees itself and what came before.
inline constexpr Causal causal{};
/// Every query sees every key.
inline constexpr Bidirectional bidirectional{};
/// A token sees itself.
inline constexpr Within diagonal{0, 0};

/// Positions less than `window` apart, window >= 1.
[[nodiscard]] constexpr Within within(index_t window) { return {window - 1, window - 1}; }
/// Up to `left` positions before the query and `right` behind it, as flash attention counts them.
[[nodiscard]] constexpr Within within(index_t left, index_t right) { return {left, right}; }
/// Positions of the same chunk of `size`, counted from position 0.
[[nodiscard]] constexpr Chunked chunked(index_t size) { return {size}; }
/// The first `n` keys: with `causal ||`, a prefix that sees all of itself.
[[nodiscard]] constexpr KeysBelow prefix(index_t n) { return {n}; }
/// Keys before position n; those from n on are padding.
[[nodiscard]] constexpr KeysBelow keys_below(index_t n) { return {n}; }
/// Keys whose flag is not 0: a padding mask. One flag per position.
[[nodiscard]] constexpr Flagged<false> keys_where(const std::uint8_t* flags) { return {flags}; }
/// Queries whose flag is not 0.
[[nodiscard]] constexpr Flagged<true> queries_where(const std::uint8_t* flags) { return {flags}; }
/// Positions of the same document; one number per position.
[[nodiscard]] constexpr Labelled<detail::same_label> documents(const std::int32_t* ids) { return {ids, ids}; }
/// The same for queries and keys of different sequences.
[[nodiscard]] constexpr Labelled<detail::same_label> documents(const std::int32_t* of_query,
                                                               const std::int32_t* of_key) {
  return {of_query, of_key};
}
/// Keys whose segment is at least the query's: Molmo's packed branches, which share what has a larger number. Write
/// (causal && subsegments(ids)) || diagonal, so that no row is empty.
[[nodiscard]] constexpr Labelled<detail::label_up_to> subsegments(const std::int32_t* ids) { return {ids, ids}; }

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
