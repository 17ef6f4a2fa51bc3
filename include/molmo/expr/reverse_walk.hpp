// SPDX-License-Identifier: Apache-2.0
// The reverse walk: gradients of an expression at one position, in registers.
//
//   forwards    every node is evaluated once, its value kept:          y = F(x...)
//   backwards   every node hands its gradient to its operands:         F.pull(g, y, x..., dx...)
// and an operand in memory adds what reaches it to the gradients that were asked for. The tree is unrolled while
// compiling, so values live in registers, nothing is stored in between, and branches that lead to no such operand are
// never calculated. Which operand is which is known at run time (the same tensor may stand in several places), as one
// number for each, the same throughout a pass. (Measured beside a loop by hand: expr/gradient.hpp.)
#pragma once

#include <molmo/expr/functions.hpp>

namespace molmo::inline v0 {
namespace detail {

/// An operand in memory of an erased expression.
template <class E>
inline constexpr bool is_erased_leaf = requires(const E& e) { *e.data; };

/// How many there are in the parts of an erased expression that have adjoints, in the order of each_leaf.
template <class E>
inline constexpr int erased_leaves = is_erased_leaf<E> ? 1 : 0;
template <class F, class A>
inline constexpr int erased_leaves<Map1<F, A>> = erased_leaves<A>;
template <class F, class A, class B>
inline constexpr int erased_leaves<Map2<F, A, B>> = erased_leaves<A> + erased_leaves<B>;
template <class F, class A, class B, class C>
inline constexpr int erased_leaves<Map3<F, A, B, C>> = erased_leaves<A> + erased_leaves<B> + erased_leaves<C>;
template <class F, class A>
inline constexpr int erased_leaves<Held<F, A>> = erased_leaves<A>;

/// The gradients that a walk collects, one for each X, an erased operand; sink_of[i] says for which of them operand i
/// of the expression counts, -1 for none. InOrder: operand i counts for X number i, known while compiling.
template <bool InOrder, class V, class... X>
struct Sinks {
  const int* sink_of;
  V sum[sizeof...(X)];

  MOLMO_INLINE explicit Sinks(const int* of) : sink_of(of) {
    MOLMO_UNROLL
    for (V& s : sum) s = constant<V>(0);
  }
  template <class Leaf>
  static constexpr bool takes = (std::is_same_v<Leaf, X> || ...);
  template <class Leaf, int Number>
  MOLMO_INLINE void add(V g) {
    if constexpr (InOrder) {
      sum[Number] = sum[Number] + g;
    } else {
      int k = 0;
      ((std::is_same_v<Leaf, X> ? add_if(sink_of[Number] == k, sum[k], g) : void(), ++k), ...);
    }
  }

 private:
  MOLMO_INLINE static void add_if(bool here, V& s, V g) {
    if (here) s = s + g;
  }
};

/// Whether a gradient may reach an operand of E that S collects. Where values are no reals (comparisons) it ends.
template <class E, class At, class S>
inline constexpr bool reaches = is_erased_leaf<E> && S::template takes<E>;
template <class E, class At>
inline constexpr bool is_real_at =
    std::is_same_v<decltype(std::declval<const E&>().eval(std::declval<const At&>())), typename At::value>;
template <class F, class A, class At, class S>
inline constexpr bool reaches<Map1<F, A>, At, S> = reaches<A, At, S> && is_real_at<Map1<F, A>, At>;
template <class F, class A, class B, class At, class S>
inline constexpr bool reaches<Map2<F, A, B>, At, S> =
    (reaches<A, At, S> || reaches<B, At, S>)&&is_real_at<Map2<F, A, B>, At>;
template <class F, class A, class B, class C, class At, class S>
inline constexpr bool reaches<Map3<F, A, B, C>, At, S> =
    (reaches<A, At, S> || reaches<B, At, S> || reaches<C, At, S>)&&is_real_at<Map3<F, A, B, C>, At>;
template <class F, class A, class At, class S>
inline constexpr bool reaches<Held<F, A>, At, S> = reaches<A, At, S>;

template <class V, bool Wanted>
struct SinkOf {
  using type = V;
};
template <class V>
struct SinkOf<V, false> {
  using type = Ignored;
};

template <class F, class... Arguments>
inline constexpr bool has_pull = requires(const F& f, Arguments&... a) { f.pull(a...); };

/// A part of the expression after the forward walk. This one hands no gradient on, unless it is an operand in memory.
template <class E, class At, class S, bool = reaches<E, At, S>>
struct Walked {
  decltype(std::declval<const E&>().eval(std::declval<const At&>())) value;

  MOLMO_INLINE Walked(const E& e, const At& at) : value(e.eval(at)) {}
  MOLMO_INLINE const auto& argument(const E&) const { return value; }
  template <int First, class G>
  MOLMO_INLINE void pull(const E&, const G& g, S& sinks) const {
    if constexpr (reaches<E, At, S>) sinks.template add<E, First>(g);
  }
};

template <class F, class A, class At, class S>
struct Walked<Held<F, A>, At, S, true> {
  using V = typename At::value;
  Walked<A, At, S> a;

  MOLMO_INLINE Walked(const Held<F, A>& e, const At& at) : a(e.a, at) {}
  MOLMO_INLINE Call<F, V> argument(const Held<F, A>& e) const { return {e.function.f, a.value}; }
  template <int First>
  MOLMO_INLINE void pull(const Held<F, A>& e, V g, S& sinks) const {
    a.template pull<First>(e.a, g, sinks);
  }
};

template <class F, class A, class At, class S>
struct Walked<Map1<F, A>, At, S, true> {
  using E = Map1<F, A>;
  using V = typename At::value;
  Walked<A, At, S> a;
  V value;

  MOLMO_INLINE Walked(const E& e, const At& at) : a(e.a, at), value(F{}(a.argument(e.a))) {}
  MOLMO_INLINE const V& argument(const E&) const { return value; }
  template <int First>
  MOLMO_INLINE void pull(const E& e, V g, S& sinks) const {
    const auto& x = a.argument(e.a);
    static_assert(
        has_pull<F, V, V, decltype(x), V>,
        "molmo: gradient(e, g, x): a function in e has no adjoint; give it a member pull(g, y, x..., dx...) that sets "
        "dx...");
    V da;
    F{}.pull(g, value, x, da);
    a.template pull<First>(e.a, da, sinks);
  }
};

template <class F, class A, class B, class At, class S>
struct Walked<Map2<F, A, B>, At, S, true> {
  using E = Map2<F, A, B>;
  using V = typename At::value;
  using DA = typename SinkOf<V, reaches<A, At, S>>::type;
  using DB = typename SinkOf<V, reaches<B, At, S>>::type;
  Walked<A, At, S> a;
  Walked<B, At, S> b;
  V value;

  MOLMO_INLINE Walked(const E& e, const At& at)
      : a(e.a, at), b(e.b, at), value(F{}(a.argument(e.a), b.argument(e.b))) {}
  MOLMO_INLINE const V& argument(const E&) const { return value; }
  template <int First>
  MOLMO_INLINE void pull(const E& e, V g, S& sinks) const {
    const auto& x = a.argument(e.a);
    const auto& z = b.argument(e.b);
    static_assert(
        has_pull<F, V, V, decltype(x), decltype(z), DA, DB>,
        "molmo: gradient(e, g, x): a function in e has no adjoint; give it a member pull(g, y, x..., dx...) that sets "
        "dx...");
    DA da;
    DB db;
    F{}.pull(g, value, x, z, da, db);
    a.template pull<First>(e.a, da, sinks);
    b.template pull<First + erased_leaves<A>>(e.b, db, sinks);
  }
};

template <class F, class A, class B, class C, class At, class S>
struct Walked<Map3<F, A, B, C>, At, S, true> {
  using E = Map3<F, A, B, C>;
  using V = typename At::value;
  using DA = typename SinkOf<V, reaches<A, At, S>>::type;
  using DB = typename SinkOf<V, reaches<B, At, S>>::type;
  using DC = typename SinkOf<V, reaches<C, At, S>>::type;
  Walked<A, At, S> a;
  Walked<B, At, S> b;
  Walked<C, At, S> c;
  V value;

  MOLMO_INLINE Walked(const E& e, const At& at)
      : a(e.a, at), b(e.b, at), c(e.c, at), value(F{}(a.argument(e.a), b.argument(e.b), c.argument(e.c))) {}
  MOLMO_INLINE const V& argument(const E&) const { return value; }
  template <int First>
  MOLMO_INLINE void pull(const E& e, V g, S& sinks) const {
    const auto& x = a.argument(e.a);
    const auto& z = b.argument(e.b);
    const auto& w = c.argument(e.c);
    static_assert(
        has_pull<F, V, V, decltype(x), decltype(z), decltype(w), DA, DB, DC>,
        "molmo: gradient(e, g, x): a function in e has no adjoint; give it a member pull(g, y, x..., dx...) that sets "
        "dx...");
    DA da;
    DB db;
    DC dc;
    F{}.pull(g, value, x, z, w, da, db, dc);
    a.template pull<First>(e.a, da, sinks);
    b.template pull<First + erased_leaves<A>>(e.b, db, sinks);
    c.template pull<First + erased_leaves<A> + erased_leaves<B>>(e.c, dc, sinks);
  }
};

}  // namespace detail

}  // namespace molmo::inline v0
