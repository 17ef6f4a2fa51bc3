// SPDX-License-Identifier: Apache-2.0
// Causal attention of new tokens over a KV cache, with grouped heads (MHA: equal head counts, GQA, MQA: one kv head):
//
//   out[t, h] = sum over j <= past + t of softmax_j(scale * q[t, h] . k[g, j]) v[g, j],   g = h / (n_heads / n_kv_heads)
// Keys and values lie as [kv head][position][head_dim]. Scores and sums are f32 or wider, the maximum is subtracted, and
// positions after past + t are never read. The loop below is the meaning, in double precision; its speed is in cpu.hpp,
// which needs no memory beyond its arguments whatever the context length.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/core/platform.hpp>

#include <cmath>

namespace molmo::inline v0 {

/// The operands; distances in elements.
struct AttentionRows {
  const float* q = nullptr;  ///< [tokens][n_heads][head_dim], rows q_token apart
  float* out = nullptr;      ///< the same layout, rows out_token apart; must not overlap q
  const float* k = nullptr;  ///< [n_kv_heads][capacity][head_dim], kv heads kv_head apart
  const float* v = nullptr;
  index_t tokens = 0, past = 0;
  index_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  index_t q_token = 0, out_token = 0, kv_head = 0;
  float scale = 1;
};

/// The meaning: three passes over the visible keys per query head.
inline void attention(const Reference&, const AttentionRows& a) {
  const index_t group = a.n_heads / a.n_kv_heads;
  for (index_t t = 0; t < a.tokens; ++t)
    for (index_t h = 0; h < a.n_heads; ++h) {
      const float* q = a.q + t * a.q_token + h * a.head_dim;
      float* out = a.out + t * a.out_token + h * a.head_dim;
      const float* k = a.k + h / group * a.kv_head;
      const float* v = a.v + h / group * a.kv_head;
      const index_t visible = a.past + t + 1;
      const auto score = [&](index_t j) {
        double dot = 0;
        for (index_t i = 0; i < a.head_dim; ++i)
          dot += static_cast<double>(q[i]) * static_cast<double>(k[j * a.head_dim + i]);
        return dot * static_cast<double>(a.scale);
      };
      double largest = score(0);
      for (index_t j = 1; j < visible; ++j) largest = score(j) > largest ? score(j) : largest;
      double total = 0;
      for (index_t j = 0; j < visible; ++j) total += std::exp(score(j) - largest);
      for (index_t i = 0; i < a.head_dim; ++i) {
        double sum = 0;
        for (index_t j = 0; j < visible; ++j)
          sum += std::exp(score(j) - largest) / total * static_cast<double>(v[j * a.head_dim + i]);
        out[i] = static_cast<float>(sum);
      }
    }
}

}  // namespace molmo::inline v0
