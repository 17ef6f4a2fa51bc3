// SPDX-License-Identifier: Apache-2.0
// NewHeads: queries, keys and values as the projections leave them, on their way to attention: queries and keys are
// rotated (RoPE), keys and values written into the KV cache in its format.
//
// The three functions do it for a range of heads and tokens, and touch nothing else: any thread may do any part as soon
// as those heads are calculated, inside the parallel step that calculates them, if you like. rotate_and_store() does
// all. The loops here are the meaning; those with registers are in cpu_store.hpp.
#pragma once

#include <molmo/ops/attention/kv.hpp>
#include <molmo/ops/rope/rope.hpp>

namespace molmo::inline v0 {

/// New tokens' heads, [tokens][heads][head_dim] each, rows `token` elements apart, for positions past ... past +
/// tokens.
struct NewHeads {
  float* q = nullptr;  ///< rotated in place
  float* k = nullptr;  ///< rotated in place, then stored
  float* v = nullptr;
  index_t token = 0;
  index_t tokens = 0, past = 0;
  index_t n_heads = 0, n_kv_heads = 0;
  const float* cosines = nullptr;  ///< [tokens][head_dim / 2]
  const float* sines = nullptr;
  KvHeads kv;
};

/// Rotates query heads [first, first + heads) of tokens [from, from + tokens).
inline void finish_queries(const Reference& ctx, const NewHeads& a, index_t first, index_t heads, index_t from,
                           index_t tokens) {
  const index_t d = a.kv.head_dim;
  float* q = a.q + from * a.token + first * d;
  rope(ctx,
       RopeHeads{q, q, tokens, heads, d, a.token, d, a.token, d, a.cosines + from * (d / 2), a.sines + from * (d / 2)});
}
/// Xsimd without the header of its loop.
template <class Late = void>
void finish_queries(const FastCpu&, const NewHeads&, index_t, index_t, index_t, index_t) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast rotation of heads in <molmo/ops/attention/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}
/// Rotates and stores key heads.
inline void finish_keys(const Reference& ctx, const NewHeads& a, index_t first, index_t heads, index_t from,
                        index_t tokens) {
  const index_t d = a.kv.head_dim;
  float* k = a.k + from * a.token + first * d;
  rope(ctx,
       RopeHeads{k, k, tokens, heads, d, a.token, d, a.token, d, a.cosines + from * (d / 2), a.sines + from * (d / 2)});
  for (index_t t = 0; t < tokens; ++t)
    for (index_t h = 0; h < heads; ++h) store_key(a.kv, first + h, a.past + from + t, k + t * a.token + h * d);
}
/// Xsimd without the header of its loop.
template <class Late = void>
void finish_keys(const FastCpu&, const NewHeads&, index_t, index_t, index_t, index_t) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast rotation of heads in <molmo/ops/attention/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}
/// Stores value heads.
MOLMO_NOINLINE inline void finish_values(const Reference&, const NewHeads& a, index_t first, index_t heads,
                                         index_t from, index_t tokens) {
  for (index_t t = from; t < from + tokens; ++t)
    for (index_t h = first; h < first + heads; ++h)
      store_value(a.kv, h, a.past + t, a.v + t * a.token + h * a.kv.head_dim);
}

/// All of it.
inline void rotate_and_store(const Reference& ctx, const NewHeads& a) {
  finish_queries(ctx, a, 0, a.n_heads, 0, a.tokens);
  finish_keys(ctx, a, 0, a.n_kv_heads, 0, a.tokens);
  finish_values(ctx, a, 0, a.n_kv_heads, 0, a.tokens);
}
/// Xsimd without the header of its loop.
template <class Late = void>
void rotate_and_store(const FastCpu&, const NewHeads&) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast rotation of heads in <molmo/ops/attention/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

}  // namespace molmo::inline v0
