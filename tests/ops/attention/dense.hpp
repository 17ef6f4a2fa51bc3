// SPDX-License-Identifier: Apache-2.0
// Dense attention in double precision, with a mask and a score edit that the test writes as plain functions: what
// attention with masks is compared with. Keys and values lie in tensors with gaps, or in a cache of any format;
// everything that must not matter is NaN.
#pragma once

#include <molmo/ops/attention/masked.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace molmo_test {

using molmo::index_t;
using molmo::KvFormat;

/// Sizes of a problem. `cache` false: keys and values are tensors.
struct AttendSizes {
  index_t queries = 1, keys = 1, heads = 1, kv_heads = 1, dq = 8, dv = 8;
  bool cache = true;
  KvFormat format = KvFormat::f32;
  float size = 1;
};

struct DenseProblem {
  AttendSizes s;
  std::vector<float> q, k, v, k_rows, v_rows;  // k_rows, v_rows: [m][G][d] with gaps
  std::vector<std::byte> kb, vb;
  std::vector<float> ks, vs, sinks;
  molmo::AttentionOperands a;
  static constexpr float poison = std::numeric_limits<float>::quiet_NaN();
  static constexpr index_t gap = 5;

  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

  DenseProblem(Random& random, const AttendSizes& sizes) : s(sizes) {
    q = random.numbers(s.queries * (s.heads * s.dq + gap), s.size);
    k = random.numbers(s.keys * s.kv_heads * s.dq, s.size);
    v = random.numbers(s.keys * s.kv_heads * s.dv);
    sinks = random.numbers(s.heads, 3);
    for (index_t t = 0; t < s.queries; ++t)
      for (index_t i = 0; i < gap; ++i) q[at(t * (s.heads * s.dq + gap) + s.heads * s.dq + i)] = poison;
    a.q = {q.data(), s.queries, s.heads, s.dq, s.heads * s.dq + gap, s.dq};
    a.scale = 1 / std::sqrt(static_cast<float>(s.dq));
    store();
  }
  DenseProblem(const DenseProblem&) = delete;
  DenseProblem& operator=(const DenseProblem&) = delete;

  float& key(index_t j, index_t g, index_t i) { return k[at((j * s.kv_heads + g) * s.dq + i)]; }
  float& value(index_t j, index_t g, index_t i) { return v[at((j * s.kv_heads + g) * s.dv + i)]; }
  void poison_position(index_t j) {
    for (index_t g = 0; g < s.kv_heads; ++g) {
      for (index_t i = 0; i < s.dq; ++i) key(j, g, i) = poison;
      for (index_t i = 0; i < s.dv; ++i) value(j, g, i) = poison;
    }
  }

  // Brings keys and values where attention reads them.
  void store() {
    if (!s.cache) {
      const index_t kt = s.kv_heads * s.dq + gap, vt = s.kv_heads * s.dv + gap;
      k_rows.assign(at(s.keys * kt - gap), poison);
      v_rows.assign(at(s.keys * vt - gap), poison);
      for (index_t j = 0; j < s.keys; ++j)
        for (index_t g = 0; g < s.kv_heads; ++g) {
          for (index_t i = 0; i < s.dq; ++i) k_rows[at(j * kt + g * s.dq + i)] = key(j, g, i);
          for (index_t i = 0; i < s.dv; ++i) v_rows[at(j * vt + g * s.dv + i)] = value(j, g, i);
        }
      k_rows.shrink_to_fit(), v_rows.shrink_to_fit();
      a.k = {k_rows.data(), s.keys, s.kv_heads, s.dq, kt, s.dq};
      a.v = {v_rows.data(), s.keys, s.kv_heads, s.dv, vt, s.dv};
      return;
    }
    const index_t room = molmo::kv_room(s.keys + 3), bytes = kv_element_bytes(s.format);
    kb.assign(at((s.kv_heads * room * s.dq + 15) * bytes), std::byte{0xff});
    vb.assign(at((s.kv_heads * room * s.dv + 15) * bytes), std::byte{0xff});
    ks.assign(at(s.kv_heads * room), poison);
    vs.assign(at(s.kv_heads * room), poison);
    const molmo::KvHeads keys{kb.data(), nullptr, ks.data(), nullptr, room, s.dq, s.format};
    const molmo::KvHeads values{nullptr, vb.data(), nullptr, vs.data(), room, s.dv, s.format};
    for (index_t j = 0; j < s.keys; ++j)
      for (index_t g = 0; g < s.kv_heads; ++g) {
        store_key(keys, g, j, &key(j, g, 0));
        store_value(values, g, j, &value(j, g, 0));
      }
    read_cache(a, keys, values, s.kv_heads, s.keys);
  }

  struct Result {
    std::vector<float> out, lse;
  };
  template <class Ctx, class M, class S>
  Result run(const Ctx& ctx, const M& mask, const S& edit, bool sink = false) const {
    Result r{std::vector<float>(at(s.queries * (s.heads * s.dv + gap)), -7.0f), std::vector<float>(at(s.queries * s.heads))};
    molmo::AttentionOperands all = a;
    all.out = {r.out.data(), s.queries, s.heads, s.dv, s.heads * s.dv + gap, s.dv};
    all.lse = r.lse.data();
    all.sinks = sink ? sinks.data() : nullptr;
    attention(ctx, all, mask, edit);
    return r;
  }

  struct Exact {
    std::vector<double> out, lse;
  };
  // rule(q, k, h) -> bool and edit(score, i, q, k, h) -> double, q and k positions, i the query of this call.
  template <class Rule, class Edit>
  Exact dense(const Rule& rule, const Edit& edit, bool sink = false) const {
    Exact r{std::vector<double>(at(s.queries * (s.heads * s.dv + gap)), -7.0), std::vector<double>(at(s.queries * s.heads))};
    const double nothing = -std::numeric_limits<double>::infinity();
    const index_t first = a.first_query < 0 ? a.first_key + s.keys - s.queries : a.first_query;
    for (index_t i = 0; i < s.queries; ++i)
      for (index_t h = 0; h < s.heads; ++h) {
        const index_t g = h * s.kv_heads / s.heads;
        std::vector<double> p(at(s.keys), nothing);
        std::vector<index_t> seen;
        double top = sink ? static_cast<double>(sinks[at(h)]) : nothing;
        for (index_t j = 0; j < s.keys; ++j) {
          if (!rule(first + i, a.first_key + j, h)) continue;
          seen.push_back(j);
          double dot = 0;
          for (index_t c = 0; c < s.dq; ++c)
            dot += static_cast<double>(q[at(i * (s.heads * s.dq + gap) + h * s.dq + c)]) *
                   static_cast<double>(s.cache ? a.key_cache.key(g, j, c) : k[at((j * s.kv_heads + g) * s.dq + c)]);
          p[at(j)] = edit(dot * static_cast<double>(a.scale), i, first + i, a.first_key + j, h);
          top = p[at(j)] > top || std::isnan(p[at(j)]) ? p[at(j)] : top;
        }
        const double shift = top == nothing ? 0 : top;
        double total = sink ? std::exp(static_cast<double>(sinks[at(h)]) - shift) : 0;
        for (double& x : p) total += x = std::exp(x - shift);
        r.lse[at(i * s.heads + h)] = std::log(total) + shift;
        for (index_t c = 0; c < s.dv; ++c) {
          double sum = 0;
          for (const index_t j : seen)
            sum += p[at(j)] / (total == 0 ? 1 : total) *
                   static_cast<double>(s.cache ? a.value_cache.value(g, j, c) : v[at((j * s.kv_heads + g) * s.dv + c)]);
          r.out[at(i * (s.heads * s.dv + gap) + h * s.dv + c)] = sum;
        }
      }
    return r;
  }
};

/// The edit that changes nothing.
struct KeepScore {
  double operator()(double score, index_t, index_t, index_t, index_t) const { return score; }
};

// Xsimd computes scores in f32 (their error is a few ulp of the largest score, which exp turns into a relative error),
// the sum of weights and the weighted sum of values (each at most 1 in size) too: 2e-6 for the sums, 4e-7 times the
// size of the scores.
inline double allowed(const AttendSizes& s) {
  return 2e-6 + 4e-7 * static_cast<double>(s.size * s.size) * std::sqrt(static_cast<double>(s.dq));
}

}  // namespace molmo_test
