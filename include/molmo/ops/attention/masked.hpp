// SPDX-License-Identifier: Apache-2.0
// Attention with a mask and a score edit, both expressions (mask.hpp, score.hpp):
//
//   s[i, h, j]   = edit(scale q[i, h] . k[j, g])       g = h / (H / G), for the keys j that the mask shows to query i
//   out[i, h]    = sum over those j of e^(s[i, h, j] - lse[i, h]) v[j, g]
//   lse[i, h]    = ln(sum over those j of e^s[i, h, j] (+ e^sink[h]))
// A row that sees nothing becomes 0, its lse -infinity (with a sink: the sink). What is not seen never matters, not
// even a NaN in it. The loop below is the meaning, in double precision; its speed is in cpu_masked.hpp. attend.hpp has
// the statement.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/ops/attention/masks.hpp>
#include <molmo/ops/attention/operands.hpp>
#include <molmo/ops/attention/score.hpp>

#include <limits>

namespace molmo::inline v0 {

namespace detail::inline MOLMO_ISA {

// Element i of key j of kv head g, and of a value, wherever they are.
inline double key_element(const AttentionOperands& a, index_t g, index_t j, index_t i) {
  return static_cast<double>(a.k.data != nullptr ? a.k.at(j, g)[i] : a.key_cache.key(g, j, i));
}
inline double value_element(const AttentionOperands& a, index_t g, index_t j, index_t i) {
  return static_cast<double>(a.v.data != nullptr ? a.v.at(j, g)[i] : a.value_cache.value(g, j, i));
}

// The edited score of query i of head h and key j.
template <class E>
double plain_score(const AttentionOperands& a, const E& edit, index_t i, index_t h, index_t j) {
  double dot = 0;
  const float* q = a.q.at(i, h);
  for (index_t c = 0; c < a.q.width; ++c) dot += static_cast<double>(q[c]) * key_element(a, h / a.group(), j, c);
  ScoreAt<ScalarAt<double>> at;
  at.row = i, at.col = j, at.head = h, at.query = a.query_position(i), at.first_key = a.first_key;
  at.score = dot * static_cast<double>(a.scale);
  at.key = static_cast<double>(a.first_key + j);
  return edit.eval(at);
}

}  // namespace detail::inline MOLMO_ISA

namespace detail::inline MOLMO_ISA {

// The tensors of a score edit fit the scores, and are not written.
template <class E>
void check_edit(const AttentionOperands& a, const E& e) {
  const AttentionTargets targets(a);
  e.each_leaf([&](const auto& operand) {
    using S = typename std::remove_cvref_t<decltype(operand.view)>::shape;
    static_assert(S::rank != 2 || (S::cols > 1 && (S::dynamic || S::static_rows > 1)),
                  "molmo: .score(e): a number for each query is a tensor [n], one for each key a tensor [m]; a tensor "
                  "of two axes is [n, m]");
    const index_t rows = S::dynamic ? operand.view.tokens() : S::static_rows;
    const bool fits = S::rank == 0                   ? true
                      : S::rank == 1 && S::dynamic   ? rows == a.q.tokens
                      : S::rank == 1                 ? S::cols == a.k.tokens
                                                     : rows == a.q.tokens && S::cols == a.k.tokens;
    if constexpr (requires { operand.check(); })
      operand.check();
    else
      expects(fits, "molmo: .score(e): a tensor in e has not one row for each query or one column for each key");
    expects(targets.apart_from(footprint(operand.view)),
            "molmo: .score(e): e reads the target, or that of .lse; write to another tensor");
  });
}

// Masks of ranges answer for every position; others may look it up.
template <class M>
void check_positions(const AttentionOperands& a) {
  if constexpr (!mask_of_any_position<M>)
    expects(a.q.tokens == 0 || a.query_position(0) >= 0,
            "molmo: attention: there are more queries than keys, so that the first ones stand before position 0, which "
            "this mask does not know; say .first_query(p)");
}

// Everything that a call is asked before anything is written.
template <class M, class E>
void check_call(const AttentionOperands& a, const E& e) {
  check_score<E>();
  check_attention(a);
  check_edit(a, e);
  check_positions<M>(a);
}

}  // namespace detail::inline MOLMO_ISA

/// The meaning: passes over the keys that are seen, for every query head.
template <Mask M, Expr S>
void attention(const Reference&, const AttentionOperands& a, const M& mask, const S& edit_of_scores) {
  detail::check_call<M>(a, edit_of_scores);
  const auto edit = edit_of_scores.template erased<detail::score_walk_t<S>>();
  constexpr double nothing = -std::numeric_limits<double>::infinity();
  for (index_t i = 0; i < a.q.tokens; ++i)
    for (index_t h = 0; h < a.q.heads; ++h) {
      const auto seen = [&](index_t j) { return detail::mask_sees(mask, a.query_position(i), a.first_key + j, h); };
      double largest = a.sinks != nullptr ? static_cast<double>(a.sinks[h]) : nothing;
      for (index_t j = 0; j < a.k.tokens; ++j)
        if (seen(j)) largest = scalar::larger_or_nan(detail::plain_score(a, edit, i, h, j), largest);
      const double shift = largest == nothing ? 0 : largest;
      double total = a.sinks != nullptr ? std::exp(static_cast<double>(a.sinks[h]) - shift) : 0;
      for (index_t j = 0; j < a.k.tokens; ++j)
        if (seen(j)) total += std::exp(detail::plain_score(a, edit, i, h, j) - shift);
      float* out = a.out.at(i, h);
      constexpr index_t some = 64;
      for (index_t c = 0; c < a.v.width; c += some) {
        const index_t count = a.v.width - c < some ? a.v.width - c : some;
        double sum[some] = {};
        for (index_t j = 0; j < a.k.tokens; ++j) {
          if (!seen(j)) continue;
          const double p = std::exp(detail::plain_score(a, edit, i, h, j) - shift) / (total == 0 ? 1 : total);
          for (index_t n = 0; n < count; ++n) sum[n] += p * detail::value_element(a, h / a.group(), j, c + n);
        }
        for (index_t n = 0; n < count; ++n) out[c + n] = static_cast<float>(sum[n]);
      }
      if (a.lse != nullptr) a.lse[i * a.q.heads + h] = static_cast<float>(std::log(total) + shift);
    }
}
/// Xsimd without the header of its loop.
template <Mask M, Expr S>
void attention(const FastCpu&, const AttentionOperands&, const M&, const S&) {
  static_assert(detail::never<M>,
                "molmo: Xsimd has a fast attention with masks in <molmo/ops/attention/cpu_masked.hpp>, which is not "
                "included; include <molmo/cpu.hpp>");
}
/// Without a score edit.
template <class Ctx, Mask M>
void attention(const Ctx& ctx, const AttentionOperands& a, const M& mask) {
  attention(ctx, a, mask, score);
}

}  // namespace molmo::inline v0
