// SPDX-License-Identifier: Apache-2.0
// gradient(e, g, x): given g = dL/de for a number L, the gradient dL/dx, element by element.
//
//   on(cpu, dx) = gradient(silu(gate) * up, g, gate);                 an expression, one pass
//   on(cpu, dx) = x - 0.1 * gradient(e, 1, x);                        so it stands beside others
//   on(cpu, dgate, dup) = gradient(silu(gate) * up, g, gate, up);     several at once, still one pass
// x is an operand of e, known by its memory: the same tensor or an equal view of it. It may stand in e several times.
// Where e reads x for every token (a row) or every column, its gradient is a sum of what gradient_terms(e, g, x) gives:
//   on(cpu, dc) = row_sum(gradient_terms(x * c, g, c));
// One reverse walk in registers (reverse_walk.hpp): nothing is stored in between. With AVX-512, silu(gate) * up by both
// operands takes 1.05 to 1.12 times as long as a loop by hand in the first cache (1.15 to 1.25 where the operands are
// named in another order than e reads them) and 0.99 to 1.0 in the second and from memory (benchmarks/gradient.cpp).
#pragma once

#include <molmo/expr/reverse_walk.hpp>
#include <molmo/expr/targets.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {  // apart and footprint are one unit's own

template <class E>
constexpr int count_leaves() {
  int n = 0;
  E{}.each_leaf([&](const auto&) { ++n; });
  return n;
}

/// A walk over the erased expression e, whose gradient is g, that collects one for each X.
template <class E, class G, class... X>
struct GradientWalk {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = true;
  E e;
  G g;
  static constexpr std::size_t operands = erased_leaves<E>;  ///< in memory
  int sink_of[operands > 0 ? operands : 1];

  /// All gradients at one position.
  template <bool InOrder = false, class At>
  MOLMO_INLINE auto walk(const At& at) const {
    using All = Sinks<InOrder, typename At::value, X...>;
    All all(sink_of);
    const Walked<E, At, All> forward(e, at);
    forward.template pull<0>(e, g.eval(at), all);
    return all;
  }
  /// Whether walk<true> gives the same: the operands of e are the X, each once, in their order.
  [[nodiscard]] bool in_order() const {
    bool all = operands == sizeof...(X);
    for (std::size_t i = 0; i < operands; ++i) all = all && sink_of[i] == static_cast<int>(i);
    return all;
  }
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    return walk(at).sum[0];
  }
};

/// Which of the operands x... operand l of e is: -1 for none. Parts of one x under another name are refused.
template <class L, class... X>
int sink_of_leaf(const L& l, const X&... x) {
  int sink = -1, k = 0;
  const auto compare = [&](const auto& one) {
    if constexpr (std::is_same_v<L, std::remove_cvref_t<decltype(one)>>) {
      if (same_place(l.view, one.view)) sink = k;
    }
    expects(sink == k || apart(l.view, one.view),
            "molmo: gradient(e, g, x): e reads some of x through another view, too, so x has no gradient of its own");
    ++k;
  };
  (compare(x), ...);
  return sink;
}

template <class Root, class E, class G, class... X>
constexpr auto gradient_walk(const E& e, const G& g, const X&... x) {
  const auto flat = e.template erased<Root>();
  const auto incoming = g.template erased<Root>();
  using Flat = std::remove_const_t<decltype(flat)>;
  static_assert(
      erased_leaves<Flat> == count_leaves<E>(),
      "molmo: gradient(e, g, x): a part of e has no adjoint (a reduction, a gather, an expression of your own); "
      "store it first, and write its gradient as a statement of its own");
  GradientWalk<Flat, std::remove_const_t<decltype(incoming)>,
               std::remove_cvref_t<decltype(x.template erased<Root>())>...>
      walk{flat, incoming, {}};
  int i = 0;
  e.each_leaf([&](const auto& l) { walk.sink_of[i++] = sink_of_leaf(l, x...); });
  return walk;
}

// Element i of the view is data[i].
template <class Y>
inline constexpr bool rows_follow = true;
template <class Y>
  requires requires { Y::dense; }
inline constexpr bool rows_follow<Y> = Y::dense;

template <class First, class... Rest>
constexpr const First& first_of(const First& first, const Rest&...) {
  return first;
}

/// Gradients are of real numbers, by real numbers.
template <class E, class G, class... X>
inline constexpr bool has_gradient = of_reals<E> && of_reals<G> && (of_reals<X> && ...);

/// The node of gradient(a, b, x) and gradient_terms: a is the expression, b its gradient.
template <class E, class G, class X>
struct Gradient {
  static constexpr const char* name = "gradient";
  using shape = typename E::shape;
  static constexpr bool pointwise = E::pointwise && G::pointwise;
  E a;
  G b;
  X x;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return either_tokens(a.tokens(), b.tokens()); }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    if constexpr (has_gradient<E, G, X>)
      return gradient_walk<Root>(a, b, x);
    else  // refused by check_gradient
      return Scalar<float>{};
  }
  template <class Value>
  [[nodiscard]] constexpr auto with_acc(const Value& value) const {
    const auto inner = detail::with_acc(a, value);
    const auto incoming = detail::with_acc(b, value);
    return Gradient<std::remove_const_t<decltype(inner)>, std::remove_const_t<decltype(incoming)>, X>{inner, incoming,
                                                                                                      x};
  }
  template <class F>
  constexpr void each_leaf(F&& f) const {
    a.each_leaf(f);
    b.each_leaf(f);
  }
};

/// The statement gradient(e, g, x...) of several operands.
template <class E, class G, class... X>
struct Gradients {
  E e;
  G g;
  List<X...> x;

  template <class Ctx, class... Y>
  void run(const Ctx& ctx, Y... y) const {
    static_assert(sizeof...(Y) == sizeof...(X), "molmo: gradient(e, g, x...) has one target for each operand x");
    if constexpr (has_gradient<E, G, X...>) assign(ctx, y...);  // else refused by check_gradient
  }

 private:
  template <class Ctx, class... Y>
  void assign(const Ctx& ctx, const Y&... y) const {
    static_assert((std::is_same_v<typename Y::shape, typename E::shape> && ...),
                  "molmo: gradient(e, g, x...): each target has the shape of e");
    (check_target(y), ...);
    check_apart(y...);
    using Root = typename E::shape;
    constexpr bool in_double =
        has_double<E>() || has_double<G>() || (std::is_same_v<typename Y::element, double> || ...);
    const auto walk = walk_of<Root>(std::index_sequence_for<X...>{});
    gradient_pass<std::conditional_t<in_double, double, float>, Root, Map2<add_f, E, G>>(ctx, walk, y...);
  }
  template <class Root, std::size_t... Nth>
  [[nodiscard]] auto walk_of(std::index_sequence<Nth...>) const {
    return gradient_walk<Root>(e, g, item<Nth>(x)...);
  }
  template <class Y>
  void check_target(const Y& y) const {
    check_pass(y, e);
    check_pass(y, g);
  }
  template <class First, class... Rest>
  static void check_apart(const First& first, const Rest&... rest) {
    expects((apart(first, rest) && ...), "molmo: on(ctx, y0, y1, ...) = gradient(...): targets overlap each other");
    if constexpr (sizeof...(Rest) > 1) check_apart(rest...);
  }
};

// gradient(e, g, x): what x and g have to be.
template <class E, class G, class X>
constexpr void check_gradient() {
  static_assert(has_gradient<E, G, X>, "molmo: gradient(e, g, x): e, g and x are real numbers");
  static_assert(
      requires(const X& x) { x.view.data; }, "molmo: gradient(e, g, x): x is a tensor or a view that e reads");
  static_assert(std::is_same_v<broadcast_t<typename G::shape, typename E::shape>, typename E::shape>,
                "molmo: gradient(e, g, x): g is the gradient of e: it has the shape of e, or is a number");
  constexpr bool read = [] {
    bool any = false;
    E{}.each_leaf([&]<class L>(const L&) { any = any || std::is_same_v<L, X>; });
    return any;
  }();
  static_assert(read,
                "molmo: gradient(e, g, x): e has no operand of the type and shape of x, so it cannot depend on x");
}
template <class E, class X>
constexpr void check_whole() {
  static_assert(
      std::is_same_v<typename E::shape, typename X::shape>,
      "molmo: gradient(e, g, x): x is spread over e (a row or a column), so its gradient is a sum over tokens or "
      "columns; sum what gradient_terms(e, g, x) gives");
}
// (At run time: the same tensor, not only one like it; each named once.)
template <class E, class X>
void expects_operand(const E& e, const X& x) {
  bool found = false;
  e.each_leaf([&](const auto& l) { found = found || sink_of_leaf(l, x) == 0; });
  expects(found, "molmo: gradient(e, g, x): e does not read x");
}
template <class First, class... Rest>
void expects_named_once(const First& first, const Rest&... rest) {
  expects(!((same_place(first.view, rest.view) && !apart(first.view, rest.view)) || ...),
          "molmo: gradient(e, g, x, w, ...): the same operand is named twice");
  if constexpr (sizeof...(Rest) > 1) expects_named_once(rest...);
}

}  // namespace detail::inline MOLMO_ISA

template <class E, class G, class X>
inline constexpr bool enable_expr<detail::Gradient<E, G, X>> = true;
template <class E, class G, class X>
inline constexpr AccUse acc_use<detail::Gradient<E, G, X>> = detail::acc_use_of_all<E, G>;
template <class E, class G, class... X>
inline constexpr bool enable_statement<detail::Gradients<E, G, X...>> = true;

/// The meaning of a pass that stores several gradients, calculated in F: sum[k] of the walk goes to target k.
template <class F, class Root, class E, class Walk, class... Y>
void gradient_pass(const Reference&, const Walk& walk, const Y&... y) {
  const index_t rows = detail::first_of(y...).rows();
  for (index_t r = 0; r < rows; ++r)
    for (index_t c = 0; c < Root::cols; ++c) {
      const auto found = walk.walk(ScalarAt<F>{r, c, F{}});
      int k = 0;
      ((y(r, c) = static_cast<typename Y::element>(found.sum[k++])), ...);
    }
}
/// Xsimd without the header of its loop.
template <class F, class Root, class E, class Walk, class... Y>
void gradient_pass(const FastCpu&, const Walk&, const Y&...) {
  static_assert(
      detail::never<Walk>,
      "molmo: Xsimd has a fast pass for several gradients in <molmo/backend/xsimd_gradient.hpp>, which is not "
      "included; include <molmo/cpu.hpp>");
}

inline namespace MOLMO_ISA {

/// What each element of e adds to the gradient of x: an expression of the shape of e.
/// x is a tensor or a view that e reads; g = dL/de is an operand of the shape of e, or a number.
/// Throws contract_error where e does not read x, or reads a part of it through another view.
template <Shaped E, Operand G, class X>
[[nodiscard]] auto gradient_terms(E&& e, G&& g, X&& x) {
  const detail::Gradient<leaf_t<E>, leaf_t<G>, leaf_t<X>> d{leaf(std::forward<E>(e)), leaf(std::forward<G>(g)),
                                                            leaf(std::forward<X>(x))};
  detail::check_gradient<leaf_t<E>, leaf_t<G>, leaf_t<X>>();
  detail::expects_operand(d.a, d.x);
  return d;
}
/// dL/dx for g = dL/de: an expression of the shape of x, which is that of e.
template <Shaped E, Operand G, class X>
[[nodiscard]] auto gradient(E&& e, G&& g, X&& x) {
  detail::check_whole<leaf_t<E>, leaf_t<X>>();
  return gradient_terms(std::forward<E>(e), std::forward<G>(g), std::forward<X>(x));
}
/// Statement for several targets: on(ctx, dx, dw, ...) = gradient(e, g, x, w, ...). One pass.
template <Shaped E, Operand G, class X, class W, class... More>
[[nodiscard]] auto gradient(E&& e, G&& g, X&& x, W&& w, More&&... more) {
  const auto check = [](const auto& in, const auto& one) {
    using In = std::remove_cvref_t<decltype(in)>;
    using One = std::remove_cvref_t<decltype(one)>;
    detail::check_gradient<In, leaf_t<G>, One>();
    detail::check_whole<In, One>();
    detail::expects_operand(in, one);
    return one;
  };
  const auto in = leaf(std::forward<E>(e));
  detail::expects_named_once(leaf(x), leaf(w), leaf(more)...);
  return detail::Gradients<leaf_t<E>, leaf_t<G>, leaf_t<X>, leaf_t<W>, leaf_t<More>...>{
      in, leaf(std::forward<G>(g)),
      detail::List<leaf_t<X>, leaf_t<W>, leaf_t<More>...>(check(in, leaf(std::forward<X>(x))),
                                                          check(in, leaf(std::forward<W>(w))),
                                                          check(in, leaf(std::forward<More>(more)))...)};
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
