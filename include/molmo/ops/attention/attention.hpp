// SPDX-License-Identifier: Apache-2.0
// Causal attention of new tokens over a KV cache, with grouped heads (MHA: equal head counts, GQA, MQA: one kv head):
//
//   out[t, h] = sum over j <= past + t of softmax_j(scale * q[t, h] . k[g, j]) v[g, j],
//   g = h / (n_heads / n_kv_heads)
// Keys and values lie as kv.hpp says. Scores and sums are f32 or wider, the maximum is subtracted, and positions after
// past + t never matter. The loop below is the meaning, in double precision; its speed is in cpu.hpp, whose memory does
// not grow with the length of the context.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/core/platform.hpp>
#include <molmo/ops/attention/kv.hpp>
#include <molmo/ops/attention/split.hpp>

#include <cmath>

namespace molmo::inline v0 {

/// The operands; distances in elements.
struct AttentionRows {
  const float* q = nullptr;  ///< [tokens][n_heads][head_dim], rows q_token apart
  float* out = nullptr;      ///< the same layout, rows out_token apart; must not overlap q
  KvHeads kv;                ///< past + tokens positions, those of the new tokens included
  index_t tokens = 0, past = 0;
  index_t n_heads = 0, n_kv_heads = 0;
  index_t q_token = 0, out_token = 0;
  float scale = 1;
  float* scratch = nullptr;  ///< attention_scratch() floats, or null: long contexts then have less to share out
};

/// The meaning: three passes over the visible keys per query head.
MOLMO_NOINLINE inline void attention(const Reference&, const AttentionRows& a) {
  const index_t group = a.n_heads / a.n_kv_heads, head_dim = a.kv.head_dim;
  for (index_t t = 0; t < a.tokens; ++t)
    for (index_t h = 0; h < a.n_heads; ++h) {
      const float* q = a.q + t * a.q_token + h * head_dim;
      float* out = a.out + t * a.out_token + h * head_dim;
      const index_t g = h / group;
      const index_t visible = a.past + t + 1;
      const auto scored = [&](index_t j) {
        double dot = 0;
        for (index_t i = 0; i < head_dim; ++i)
          dot += static_cast<double>(q[i]) * static_cast<double>(a.kv.key(g, j, i));
        return dot * static_cast<double>(a.scale);
      };
      double largest = scored(0);
      for (index_t j = 1; j < visible; ++j) {
        const double s = scored(j);
        largest = s > largest ? s : largest;
      }
      double total = 0;
      for (index_t j = 0; j < visible; ++j) total += std::exp(scored(j) - largest);
      constexpr index_t some = 64;
      for (index_t i = 0; i < head_dim; i += some) {
        const index_t count = head_dim - i < some ? head_dim - i : some;
        double sum[some] = {};
        for (index_t j = 0; j < visible; ++j) {
          const double p = std::exp(scored(j) - largest) / total;
          for (index_t c = 0; c < count; ++c) sum[c] += p * static_cast<double>(a.kv.value(g, j, i + c));
        }
        for (index_t c = 0; c < count; ++c) out[i + c] = static_cast<float>(sum[c]);
      }
    }
}
/// Xsimd without the header of its loop.
template <class Late = void>
void attention(const FastCpu&, const AttentionRows&) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast attention in <molmo/ops/attention/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

}  // namespace molmo::inline v0
