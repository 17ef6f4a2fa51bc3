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

/// What attention() reads and writes.
struct AttentionOperands {
  HeadRows<const float> q;
  HeadRows<const float> k, v;  ///< with data == nullptr: in the caches below, and only their tokens, heads and widths
  HeadRows<float> out;         ///< must not overlap what is read
  KvHeads key_cache, value_cache;

  float* lse = nullptr;          ///< [n][H]: the logarithm of the sum of e^score, -infinity where nothing is seen
  const float* sinks = nullptr;  ///< [H]: a logit more in the sum of each head, whose value is 0
  float scale = 1;
  index_t first_query = -1;  ///< position of query 0; -1: k.tokens - q.tokens + first_key
  index_t first_key = 0;     ///< position of key 0

  [[nodiscard]] constexpr index_t query_position(index_t i) const {
    return (first_query < 0 ? k.tokens - q.tokens + first_key : first_query) + i;
  }
  [[nodiscard]] constexpr index_t group() const { return q.heads / k.heads; }
};

/// Keys and values of `keys` positions in a cache of kv_heads heads. Where values are wider or narrower than keys, they
/// lie in a cache of their own.
inline void read_cache(AttentionOperands& a, const KvHeads& keys_in, const KvHeads& values_in, index_t kv_heads,
                       index_t keys) {
  a.key_cache = keys_in, a.value_cache = values_in;
  a.k = {nullptr, keys, kv_heads, keys_in.head_dim, 0, 0};
  a.v = {nullptr, keys, kv_heads, values_in.head_dim, 0, 0};
}
inline void read_cache(AttentionOperands& a, const KvHeads& cache, index_t kv_heads, index_t keys) {
  read_cache(a, cache, cache, kv_heads, keys);
}

namespace detail {

template <class T>
[[nodiscard]] Extent extent_of(const HeadRows<T>& x) {
  if (x.data == nullptr || x.tokens == 0) return {};
  return {x.data, ((x.tokens - 1) * x.token + (x.heads - 1) * x.head + x.width) * static_cast<index_t>(sizeof(float))};
}

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
  const Extent out = extent_of(a.out);
  expects(apart(out, extent_of(a.q)) && apart(out, extent_of(a.k)) && apart(out, extent_of(a.v)),
          "molmo: attention: the target overlaps the queries, the keys or the values; write to another tensor");
}

}  // namespace detail

}  // namespace molmo::inline v0
