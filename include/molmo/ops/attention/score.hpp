// SPDX-License-Identifier: Apache-2.0
// Score edits: what attention makes of scale * q . k before the softmax, as an expression over `score` and positions.
//
//   softcap(score, 50)                                      c tanh(score / c), as every function of the language
//   score + table                                           a bias [n, m], a row per query and a column per key
//   score + per_head(slopes) * (key_position - query_position)      ALiBi (Press et al. 2022); alibi(slopes) says so
//   score + relative_bias(table, reach)                     a bias by distance and head: T5 (see t5_bias.hpp)
// Leaves that are tensors have a row per query of the call and a column per key of the call; a Shape<m> is one number
// per key, a Shape<dyn> one per query. The edit runs in the tile, in registers; what it gives for keys that a mask
// hides is thrown away, but must be readable.
#pragma once

#include <molmo/expr/activations.hpp>

#include <cmath>

namespace molmo::inline v0 {

/// A place in the matrix of scores, for the evaluation of an edit: a position of the expression layer (`row` the query
/// and `col` the key, both counted from 0 in this call), and what the leaves below read.
template <class At>
struct ScoreAt : At {
  typename At::value score{};
  typename At::value key{};  ///< positions of the keys, as numbers
  index_t query = 0, head = 0, first_key = 0;
};

namespace detail {

// Is At a place among scores? The leaves below have a value nowhere else.
template <class At>
inline constexpr bool among_scores = requires(const At& at) { at.score; };

// What the leaves of an edit have in common: they are numbers of a place, and read no memory that others check.
template <class Self>
struct ScoreLeaf {
  using shape = Shape<>;
  static constexpr bool pointwise = true;

  [[nodiscard]] MOLMO_HD static constexpr index_t tokens() { return -1; }
  template <class Root>
  [[nodiscard]] constexpr Self erased() const {
    return static_cast<const Self&>(*this);
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

}  // namespace detail

/// scale * q . k
struct Score : detail::ScoreLeaf<Score> {
  static constexpr const char* name = "score";
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    static_assert(detail::among_scores<At>, "molmo: score has a value in attend(q, k, v).score(...) only");
    if constexpr (detail::among_scores<At>) return at.score;
  }
};
/// Position of the query, as a number: exact up to 2^24.
struct QueryPosition : detail::ScoreLeaf<QueryPosition> {
  static constexpr const char* name = "query_position";
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    static_assert(detail::among_scores<At>, "molmo: query_position has a value in attend(q, k, v).score(...) only");
    if constexpr (detail::among_scores<At>) return at.splat(static_cast<double>(at.query));
  }
};
/// Position of the key.
struct KeyPosition : detail::ScoreLeaf<KeyPosition> {
  static constexpr const char* name = "key_position";
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    static_assert(detail::among_scores<At>, "molmo: key_position has a value in attend(q, k, v).score(...) only");
    if constexpr (detail::among_scores<At>) return at.key;
  }
};
/// One number for each query head.
struct PerHead : detail::ScoreLeaf<PerHead> {
  static constexpr const char* name = "per_head";
  const float* numbers = nullptr;

  constexpr PerHead() = default;
  constexpr explicit PerHead(const float* n) : numbers(n) {}
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    static_assert(detail::among_scores<At>, "molmo: per_head has a value in attend(q, k, v).score(...) only");
    if constexpr (detail::among_scores<At>) return at.splat(numbers[at.head]);
  }
};
/// A bias for each head, query and key of the call, a head and a query this many numbers apart.
struct ScoreBias : detail::ScoreLeaf<ScoreBias> {
  static constexpr const char* name = "score_bias";
  const float* data = nullptr;
  index_t head_distance = 0, query_distance = 0;

  constexpr ScoreBias() = default;
  constexpr ScoreBias(const float* d, index_t head, index_t query)
      : data(d), head_distance(head), query_distance(query) {}
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    static_assert(detail::among_scores<At>, "molmo: score_bias has a value in attend(q, k, v).score(...) only");
    if constexpr (detail::among_scores<At>)
      return at.load(data + at.head * head_distance + at.row * query_distance + at.col);
  }
};
/// A bias by head and by distance, key - query, held inside [-reach, reach].
struct RelativeBias : detail::ScoreLeaf<RelativeBias> {
  static constexpr const char* name = "relative_bias";
  const float* table = nullptr;  ///< [heads][2 reach + 1]
  index_t reach = 0;

  constexpr RelativeBias() = default;
  constexpr RelativeBias(const float* t, index_t r) : table(t), reach(r) {}
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    static_assert(detail::among_scores<At>, "molmo: relative_bias has a value in attend(q, k, v).score(...) only");
    if constexpr (detail::among_scores<At>) return by_distance(at);
  }

 private:
  template <class At>
  MOLMO_INLINE typename At::value by_distance(const At& at) const {
    const float* middle = table + at.head * (2 * reach + 1) + reach;
    const index_t distance = at.first_key + at.col - at.query;
    constexpr index_t most = 16;  // neighbours of a register
    if (distance >= -reach && distance + most - 1 <= reach) return at.load(middle + distance);
    float held[static_cast<std::size_t>(most)];
    for (index_t i = 0; i < most; ++i) {
      const index_t d = distance + i;
      held[i] = middle[d < -reach ? -reach : d > reach ? reach : d];
    }
    return at.load(&held[0]);
  }
};

template <>
inline constexpr bool enable_expr<Score> = true;
template <>
inline constexpr bool enable_expr<QueryPosition> = true;
template <>
inline constexpr bool enable_expr<KeyPosition> = true;
template <>
inline constexpr bool enable_expr<PerHead> = true;
template <>
inline constexpr bool enable_expr<ScoreBias> = true;
template <>
inline constexpr bool enable_expr<RelativeBias> = true;
template <>
inline constexpr AccUse acc_use<Score> = AccUse::no;
template <>
inline constexpr AccUse acc_use<QueryPosition> = AccUse::no;
template <>
inline constexpr AccUse acc_use<KeyPosition> = AccUse::no;
template <>
inline constexpr AccUse acc_use<PerHead> = AccUse::no;
template <>
inline constexpr AccUse acc_use<ScoreBias> = AccUse::no;
template <>
inline constexpr AccUse acc_use<RelativeBias> = AccUse::no;

inline constexpr Score score{};
inline constexpr QueryPosition query_position{};
inline constexpr KeyPosition key_position{};

inline namespace MOLMO_ISA {

/// One of `numbers` for each query head.
[[nodiscard]] constexpr PerHead per_head(const float* numbers) { return PerHead(numbers); }
/// A bias [n queries][m keys] for all heads, or with one matrix for each head, `head_distance` numbers apart.
[[nodiscard]] constexpr ScoreBias score_bias(const float* data, index_t query_distance, index_t head_distance = 0) {
  return {data, head_distance, query_distance};
}
/// A bias by distance: table[head][reach + key - query], distances beyond `reach` taking its end.
[[nodiscard]] constexpr RelativeBias relative_bias(const float* table, index_t reach) { return {table, reach}; }

/// ALiBi: score - slope * (query position - key position). For attention in both directions write
/// score - per_head(slopes) * abs(key_position - query_position).
[[nodiscard]] constexpr auto alibi(const float* slopes) {
  return score + per_head(slopes) * (key_position - query_position);
}
/// The slopes of the paper: 2^(-8 (h + 1) / H) for a power of two, else those of the power of two below H and every
/// other of twice as many.
inline void alibi_slopes(index_t heads, float* slopes) {
  index_t power = 1;
  while (power * 2 <= heads) power *= 2;
  const auto slope = [](index_t number, index_t of) {
    return static_cast<float>(std::exp2(-8.0 * static_cast<double>(number) / static_cast<double>(of)));
  };
  for (index_t h = 0; h < heads; ++h)
    slopes[h] = h < power ? slope(h + 1, power) : slope(2 * (h - power) + 1, 2 * power);
}

}  // inline namespace MOLMO_ISA

namespace detail {

// The shape that edits are walked over: rows are queries, columns are keys, as far as the tensors of E tell.
template <class S>
constexpr auto score_walk() {
  if constexpr (S::rank == 2)
    return S{};
  else if constexpr (S::rank == 1 && !S::dynamic)
    return Shape<dyn, S::cols>{};
  else
    return Shape<dyn, 1>{};
}
template <class E>
using score_walk_t = decltype(score_walk<typename E::shape>());

template <class E>
constexpr void check_score() {
  static_assert(acc_use<E> != AccUse::yes,
                "molmo: acc is what a matmul is about to store; in attend(q, k, v).score(...) the element is `score`");
  static_assert(of_reals<E>,
                "molmo: .score(e): e is a score, a real number; of a condition write where(e, a, b), of an integer "
                "cast<float>(e)");
  static_assert(E::shape::rank <= 2,
                "molmo: .score(e): tensors in e have a row per query and a column per key; a matrix for each head is "
                "score_bias(data, query_distance, head_distance)");
  static_assert(E::pointwise, "molmo: .score(e) reads e score by score; e moves indices, so store it first");
}

}  // namespace detail

}  // namespace molmo::inline v0
