// SPDX-License-Identifier: Apache-2.0
// The operands of attention: queries, keys and values with widths of their own.
//
//   q [n, H, dq]   k [m, G, dq]   v [m, G, dv]   out [n, H, dv]   H a multiple of G: heads of a group share keys
// Keys and values are floats somewhere (HeadRows), or lie in a KV cache in its format (kv.hpp). Query i has position
// first_query + i, by default m - n + i (the queries are the last tokens of the keys), and key j first_key + j.
#pragma once

#include <molmo/core/overlap.hpp>
#include <molmo/ops/attention/kv.hpp>

namespace molmo::inline v0 {

/// Heads of floats: element i of head h of token t is data[t * token + h * head + i].
template <class T>
struct HeadRows {
  T* data = nullptr;
  index_t tokens = 0, heads = 0, width = 0;
  index_t token = 0, head = 0;  ///< distances, in elements

  /// [tokens][heads][width], one after the other.
  [[nodiscard]] static constexpr HeadRows dense(T* data, index_t tokens, index_t heads, index_t width) {
    return {data, tokens, heads, width, heads * width, width};
  }
  [[nodiscard]] constexpr T* at(index_t t, index_t h) const { return data + t * token + h * head; }
};

inline namespace MOLMO_ISA {

/// What attention() reads and writes.
struct AttentionOperands {
  HeadRows<const float> q;
  HeadRows<const float> k, v;  ///< with data == nullptr: in the caches below, and only their tokens, heads and widths
  HeadRows<float> out;         ///< must not overlap what is read
  KvHeads key_cache, value_cache;

  float* lse = nullptr;          ///< [n][H]: the logarithm of the sum of e^score, -infinity where nothing is seen
  const float* sinks = nullptr;  ///< [H]: a logit more in the sum of each head, whose value is 0
  float scale = 1;
  index_t first_query = -1;  ///< position of query 0; below 0: k.tokens - q.tokens + first_key
  index_t first_key = 0;     ///< position of key 0

  [[nodiscard]] constexpr index_t query_position(index_t i) const {
    return (first_query < 0 ? k.tokens - q.tokens + first_key : first_query) + i;
  }
  [[nodiscard]] constexpr index_t group() const { return q.heads / k.heads; }
};

/// Keys and values of `keys` positions in a cache of kv_heads heads. Where values are wider or narrower than keys, they
/// lie in a cache of their own. More keys than a cache has room for are a contract_error.
inline void read_cache(AttentionOperands& a, const KvHeads& keys_in, const KvHeads& values_in, index_t kv_heads,
                       index_t keys) {
  expects(keys >= 0 && keys <= keys_in.room && keys <= values_in.room,
          "molmo: cached(kv, kv_heads, tokens): the cache has room for fewer positions");
  a.key_cache = keys_in, a.value_cache = values_in;
  a.k = {nullptr, keys, kv_heads, keys_in.head_dim, 0, 0};
  a.v = {nullptr, keys, kv_heads, values_in.head_dim, 0, 0};
}
inline void read_cache(AttentionOperands& a, const KvHeads& cache, index_t kv_heads, index_t keys) {
  read_cache(a, cache, cache, kv_heads, keys);
}

}  // inline namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

// Where heads lie; rows of one tensor may lie between those of another.
template <class T>
[[nodiscard]] Footprint footprint_of(const HeadRows<T>& x) {
  if (x.data == nullptr || x.tokens <= 0 || x.heads <= 0) return {};
  return footprint(x.data, x.tokens, x.token, x.heads, x.head, x.width);
}
// `count` elements in one piece.
template <class T>
[[nodiscard]] Footprint footprint_of(const T* first, index_t count) {
  return first == nullptr ? Footprint{} : footprint(first, 1, 0, 1, 0, count);
}
// What attention writes: the target and the logarithms of the sums.
struct AttentionTargets {
  Footprint out, lse;

  explicit AttentionTargets(const AttentionOperands& a)
      : out(footprint_of(a.out)), lse(footprint_of(a.lse, a.q.tokens * a.q.heads)) {}
  [[nodiscard]] bool apart_from(const Footprint& read) const { return apart(out, read) && apart(lse, read); }
  [[nodiscard]] bool apart_from(const KvHeads& cache, index_t heads) const {
    const index_t positions = heads * cache.room, bytes = positions * cache.head_dim * kv_element_bytes(cache.format);
    return apart_from(footprint_of(cache.k, bytes)) && apart_from(footprint_of(cache.v, bytes)) &&
           apart_from(footprint_of(cache.k_scales, positions)) && apart_from(footprint_of(cache.v_scales, positions));
  }
};

MOLMO_NOINLINE inline void check_attention(const AttentionOperands& a) {
  expects(a.k.heads > 0 && a.q.heads % a.k.heads == 0 && a.k.heads == a.v.heads,
          "molmo: attention: query heads are a multiple of the heads of keys, and values have as many");
  expects(a.k.tokens == a.v.tokens, "molmo: attention: there are not as many values as keys");
  expects(a.q.width == a.k.width, "molmo: attention: queries and keys have different widths");
  expects(a.out.tokens == a.q.tokens && a.out.heads == a.q.heads && a.out.width == a.v.width,
          "molmo: attention: the target has the tokens and heads of the queries and the width of the values");
  expects((a.k.data != nullptr || a.key_cache.k != nullptr || a.k.tokens == 0) &&
              (a.v.data != nullptr || a.value_cache.v != nullptr || a.v.tokens == 0),
          "molmo: attention: keys and values are neither in memory nor in a cache");
  const AttentionTargets targets(a);
  expects(targets.apart_from(footprint_of(a.q)) && targets.apart_from(footprint_of(a.k)) &&
              targets.apart_from(footprint_of(a.v)) && targets.apart_from(a.key_cache, a.k.heads) &&
              targets.apart_from(a.value_cache, a.v.heads),
          "molmo: attention: the target (or that of .lse) overlaps the queries, the keys or the values; write to "
          "another tensor");
  expects(apart(targets.out, targets.lse) && targets.apart_from(footprint_of(a.sinks, a.q.heads)),
          "molmo: attention: the target, that of .lse and the sinks overlap; give each a tensor of its own");
}

}  // namespace detail::inline MOLMO_ISA

}  // namespace molmo::inline v0
