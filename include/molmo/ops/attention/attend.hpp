// SPDX-License-Identifier: Apache-2.0
// Attention as a statement, its mask and its scores written as the paper writes them:
//
//   on(ctx, o) = attend(q, k, v).where(causal && within(4096)).score(softcap(score, 50));
//   on(ctx, o) = attend(q, cached(kv, kv_heads, tokens)).where(causal).lse(l);
// q [n, H, dq], k [m, G, dq], v [m, G, dv] and o [n, H, dv] are tensors or views; without .where every query sees every
// key; without .scale it is 1 / sqrt(dq). Queries are the last n of the m positions, unless .first_query(p) says so.
#pragma once

#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>
#include <molmo/ops/attention/combine.hpp>
#include <molmo/ops/attention/masked.hpp>

namespace molmo::inline v0 {

/// attend(q, k, v): what does not fit. The shapes are [n, H, dq], [m, G, dq] and [m, G, dv].
template <class Q, class K, class V>
struct attend_mismatch {
  static_assert(detail::always_false<Q, K, V>,
                "molmo: attend(q, k, v) needs q [n, H, d], k [m, G, d] and v [m, G, dv] of floats, H a multiple of G; "
                "see attend_mismatch<q, k, v>");
  // What may follow says nothing more.
  template <class X>
  attend_mismatch where(const X&) const;
  template <class X>
  attend_mismatch score(const X&) const;
  template <class X>
  attend_mismatch sinks(const X&) const;
  template <class X>
  attend_mismatch lse(const X&) const;
  attend_mismatch scale(float) const;
  attend_mismatch first_query(index_t) const;
};
template <class Q, class K, class V>
inline constexpr bool enable_statement<attend_mismatch<Q, K, V>> = true;
/// on(ctx, o) = attend(...): o is [n, H, dv].
template <class Target, class Output>
struct attend_output_mismatch {
  static_assert(detail::always_false<Target, Output>,
                "molmo: the target of attend(q, k, v) has the tokens and heads of q and the width of v; see "
                "attend_output_mismatch<target, needed>");
};

inline namespace MOLMO_ISA {

/// Keys and values of a cache: see cached().
struct CachedHeads {
  KvHeads keys, values;
  index_t kv_heads = 0, tokens = 0;
};

}  // inline namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

template <class S>
struct HeadShape {
  static constexpr bool ok = false;
};
template <index_t N, index_t H, index_t D>
struct HeadShape<Shape<N, H, D>> {
  static constexpr bool ok = true;
  static constexpr index_t tokens = N, heads = H, width = D;
};

template <class T, class S, index_t R, index_t O>
constexpr HeadRows<T> head_rows(const View<T, S, Host, R, O>& x) {
  using H = HeadShape<S>;
  return {x.data, x.rows() / H::heads, H::heads, H::width, x.outer(), x.stride()};
}

template <class... V>
inline constexpr bool are_floats = (std::is_same_v<typename V::element, float> && ...);

// Are these shapes of queries, keys and values?
template <class Q, class K, class V>
constexpr bool attend_fits() {
  if constexpr (HeadShape<Q>::ok && HeadShape<K>::ok && HeadShape<V>::ok)
    return HeadShape<Q>::width == HeadShape<K>::width && HeadShape<K>::heads == HeadShape<V>::heads &&
           HeadShape<Q>::heads % HeadShape<K>::heads == 0 && HeadShape<K>::tokens == HeadShape<V>::tokens;
  else
    return false;
}

/// The statement. Output: the shape of its target, the last size being 0 where it follows from a cache.
template <class Output, class M, class S>
struct Attend {
  using output = HeadShape<Output>;
  AttentionOperands a;
  M mask;
  S edit;

  /// Only what this mask shows, too.
  template <class N>
  [[nodiscard]] constexpr auto where(const N& m) const {
    if constexpr (!Mask<N>)
      static_assert(always_false<N>,
                    "molmo: attend(...).where(m): m is a mask, like causal && within(w); a function is mask(f), a type "
                    "of your own specialises molmo::enable_mask");
    else if constexpr (std::is_same_v<M, Bidirectional>)
      return Attend<Output, N, S>{a, m, edit};
    else
      return Attend<Output, MaskAnd<M, N>, S>{a, {mask, m}, edit};
  }
  /// What becomes of `score`, which is scale * q . k.
  template <class E>
  [[nodiscard]] constexpr auto score(const E& e) const {
    if constexpr (!Expr<E>) {
      static_assert(always_false<E>,
                    "molmo: attend(...).score(e): e is an expression of `score`, like score + table");
    } else {
      static_assert(std::is_same_v<S, Score>,
                    "molmo: attend(...).score(e) is said once; write one expression of `score`");
      check_score<E>();
      return Attend<Output, M, E>{a, mask, e};
    }
  }
  [[nodiscard]] constexpr Attend scale(float factor) const {
    Attend other = *this;
    other.a.scale = factor;
    return other;
  }
  /// The position of the first query.
  [[nodiscard]] constexpr Attend first_query(index_t position) const {
    Attend other = *this;
    other.a.first_query = position;
    return other;
  }
  /// One logit for each head, [H], that takes its part of the weights and has no value.
  template <class X>
  [[nodiscard]] auto sinks(X&& x MOLMO_LIFETIMEBOUND) const {
    const auto v = borrow(std::forward<X>(x));
    static_assert(std::is_same_v<decltype(v), const View<const float, Shape<output::heads>>>,
                  "molmo: attend(...).sinks(s): s is one float for each query head");
    Attend other = *this;
    other.a.sinks = v.data;
    return other;
  }
  /// Where the logarithm of the sum of e^score goes, [n, H]: what combine() asks for.
  template <class X>
  [[nodiscard]] auto lse(X&& x) const {
    using L = View<float, Shape<output::tokens, output::heads>>;
    static_assert(std::is_convertible_v<X&, L>, "molmo: attend(...).lse(l): l is a tensor or a view of floats, [n, H]");
    const L v = x;
    if constexpr (output::tokens == dyn)
      expects(v.tokens() == a.q.tokens, "molmo: attend(...).lse(l): l has a row for each query");
    Attend other = *this;
    other.a.lse = v.data;
    return other;
  }

  template <class Ctx, class T, class SY, index_t R, index_t O>
  void run(const Ctx& ctx, const View<T, SY, Host, R, O>& y) const {
    using Y = HeadShape<SY>;
    if constexpr (!std::is_same_v<T, float>) {
      static_assert(always_false<T>, "molmo: the target of attend(q, k, v) is float");
    } else if constexpr (!Y::ok) {
      [[maybe_unused]] attend_output_mismatch<SY, Output> wrong;
    } else if constexpr (Y::heads != output::heads || Y::tokens != output::tokens || Y::width != output::width) {
      [[maybe_unused]] attend_output_mismatch<SY, Output> wrong;
    } else {
      expects(rows_apart(y), "molmo: on(ctx, y) = attend(q, k, v): rows of y overlap, or lie in another order");
      AttentionOperands all = a;
      all.out = head_rows(y);
      attention(ctx, all, mask, edit);
    }
  }
};

}  // namespace detail::inline MOLMO_ISA

template <class O, class M, class S>
inline constexpr bool enable_statement<detail::Attend<O, M, S>> = true;

inline namespace MOLMO_ISA {

/// Attention of q over keys and values in memory. Borrows all three.
template <class Q, class K, class V>
[[nodiscard]] auto attend(Q&& q MOLMO_LIFETIMEBOUND, K&& k MOLMO_LIFETIMEBOUND, V&& v MOLMO_LIFETIMEBOUND) {
  const auto qs = detail::borrow(std::forward<Q>(q));
  const auto ks = detail::borrow(std::forward<K>(k));
  const auto vs = detail::borrow(std::forward<V>(v));
  using QS = typename decltype(qs)::shape;
  using KS = typename decltype(ks)::shape;
  using VS = typename decltype(vs)::shape;
  if constexpr (!detail::are_floats<decltype(qs), decltype(ks), decltype(vs)>) {
    return attend_mismatch<View<typename decltype(qs)::element, QS>, View<typename decltype(ks)::element, KS>,
                           View<typename decltype(vs)::element, VS>>{};
  } else if constexpr (!detail::attend_fits<QS, KS, VS>()) {
    return attend_mismatch<QS, KS, VS>{};
  } else {
    using S = detail::HeadShape<QS>;
    using Output = Shape<S::tokens, S::heads, detail::HeadShape<VS>::width>;
    AttentionOperands a;
    a.q = detail::head_rows(qs), a.k = detail::head_rows(ks), a.v = detail::head_rows(vs);
    a.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(S::width)));
    return detail::Attend<Output, Bidirectional, Score>{a, {}, {}};
  }
}
/// The first `tokens` positions of a cache.
[[nodiscard]] inline CachedHeads cached(const KvHeads& cache, index_t kv_heads, index_t tokens) {
  return {cache, cache, kv_heads, tokens};
}
/// The same where values have a width of their own, and lie in a cache of their own.
[[nodiscard]] inline CachedHeads cached(const KvHeads& keys, const KvHeads& values, index_t kv_heads, index_t tokens) {
  return {keys, values, kv_heads, tokens};
}
/// Attention of q over a cache, whose values are Dv wide (as wide as keys, unless you say so).
template <index_t Dv = 0, class Q>
[[nodiscard]] auto attend(Q&& q MOLMO_LIFETIMEBOUND, const CachedHeads& kv) {
  const auto qs = detail::borrow(std::forward<Q>(q));
  using QS = typename decltype(qs)::shape;
  if constexpr (!detail::HeadShape<QS>::ok || !detail::are_floats<decltype(qs)>) {
    return attend_mismatch<QS, CachedHeads, CachedHeads>{};
  } else {
    using S = detail::HeadShape<QS>;
    AttentionOperands a;
    a.q = detail::head_rows(qs);
    read_cache(a, kv.keys, kv.values, kv.kv_heads, kv.tokens);
    a.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(S::width)));
    using Output = Shape<S::tokens, S::heads, (Dv == 0 ? S::width : Dv)>;
    return detail::Attend<Output, Bidirectional, Score>{a, {}, {}};
  }
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
