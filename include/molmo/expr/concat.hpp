// SPDX-License-Identifier: Apache-2.0
// Statements that lay operands side by side, or one after another:
//
//   on(cpu, y) = concat(a, b);           a: Shape<dyn, A>, b: Shape<dyn, B>, y: Shape<dyn, A + B>; vectors as well
//   on(cpu, y) = concat_tokens(a, b);    the tokens of a, then those of b; all of the same width
// Any number of operands, expressions among them. Each is one pass of its own into its part of y. An operand may not
// overlap y: its columns or rows move.
#pragma once

#include <molmo/expr/assign.hpp>

namespace molmo::inline v0 {

/// The meaning: columns [first, first + cols of Root) of y are e.
template <class Root, class T, class S, class E>
void assign_columns(const Reference&, View<T, S> y, index_t first, const E& e) {
  using F = detail::pass_t<T, E>;
  const auto flat = e.template erased<Root>();
  for (index_t r = 0; r < y.rows(); ++r)
    for (index_t c = 0; c < Root::cols; ++c)
      y(r, first + c) = static_cast<T>(flat.eval(detail::as_stored<T>(ScalarAt<F>{r, c})));
}

namespace detail {

inline namespace MOLMO_ISA {

// What both statements ask of an operand.
template <class E, class T, class S, class M>
void check_part(const View<T, S, M>& y, const E& e) {
  static_assert(std::is_same_v<M, Host>, "molmo: concat works in host memory; on a GPU it is not there yet");
  static_assert(is_element<T>, "molmo: the target of concat is float, double, bf16, f16, bool or an integer");
  using Kept = Storable<T, kind_of<E>>;
  static_assert(
      Kept::no_truth_as_number && Kept::no_number_as_truth && Kept::no_integer_as_real && Kept::no_real_as_integer,
      "molmo: concat: the operands and the target hold reals, or all integers, or all true and false");
  check_no_acc<E>();
  check_operands<M>(e);
  e.each_leaf([&](const auto& operand) {
    expects(apart(y, operand.view), "molmo: on(ctx, y) = concat(...): y overlaps an operand; write to another tensor");
  });
}

}  // namespace MOLMO_ISA

/// The last of some operands that stand side by side.
struct NoMoreColumns {
  static constexpr index_t cols = 0;
  template <class Y>
  void check(const Y&) const {}
  template <class Ctx, class Y>
  void place(const Ctx&, const Y&, index_t) const {}
};

/// An operand and those to the right of it.
template <class E, class Rest>
struct Columns {
  static constexpr index_t cols = E::shape::cols + Rest::cols;
  E e;
  Rest rest;

  template <class Y>
  void check(const Y& y) const {
    static_assert(E::shape::rank >= 1 && E::shape::dynamic == Y::shape::dynamic &&
                      std::is_same_v<last_axis_1<typename E::shape>, last_axis_1<typename Y::shape>>,
                  "molmo: concat(a, b): operands and target have the same rows; only their columns differ");
    check_part(y, e);
    if constexpr (Y::shape::dynamic)
      expects(e.tokens() == y.tokens(), "molmo: on(ctx, y) = concat(a, b): y, a and b have not the same tokens");
    rest.check(y);
  }
  template <class Ctx, class Y>
  void place(const Ctx& ctx, const Y& y, index_t first) const {
    assign_columns<typename E::shape>(ctx, y, first, e);
    rest.place(ctx, y, first + E::shape::cols);
  }
};

template <class First>
struct Concat {
  First first;

  template <class Ctx, class T, class S, class M>
  void run(const Ctx& ctx, View<T, S, M> y) const {
    static_assert(S::cols == First::cols,
                  "molmo: on(ctx, y) = concat(a, b): y has as many columns as its operands together");
    first.check(y);
    first.place(ctx, y, 0);
  }
};

/// The last of some operands whose tokens follow each other.
struct NoMoreTokens {
  [[nodiscard]] static constexpr index_t tokens() { return 0; }
  template <class Y>
  void check(const Y&) const {}
  template <class Ctx, class Y>
  void place(const Ctx&, const Y&, index_t) const {}
};

template <class E, class Rest>
struct Tokens {
  E e;
  Rest rest;

  [[nodiscard]] index_t tokens() const { return e.tokens() + rest.tokens(); }
  template <class Y>
  void check(const Y& y) const {
    static_assert(Y::shape::dynamic && std::is_same_v<typename E::shape, typename Y::shape>,
                  "molmo: concat_tokens(a, b): operands and target are rows of tokens of one shape");
    check_part(y, e);
    rest.check(y);
  }
  template <class Ctx, class Y>
  void place(const Ctx& ctx, const Y& y, index_t first) const {
    assign(ctx, y.slice(first, e.tokens()), e);
    rest.place(ctx, y, first + e.tokens());
  }
};

template <class First>
struct ConcatTokens {
  First first;

  template <class Ctx, class T, class S, class M>
  void run(const Ctx& ctx, View<T, S, M> y) const {
    first.check(y);
    expects(y.tokens() == first.tokens(),
            "molmo: on(ctx, y) = concat_tokens(a, b): y has not as many tokens as its operands together");
    first.place(ctx, y, 0);
  }
};

template <template <class, class> class Part, class End>
[[nodiscard]] constexpr End parts() {
  return {};
}
template <template <class, class> class Part, class End, class E, class... More>
[[nodiscard]] constexpr auto parts(const E& e, const More&... more) {
  const auto rest = parts<Part, End>(more...);
  return Part<E, std::remove_const_t<decltype(rest)>>{e, rest};
}

}  // namespace detail

template <class First>
inline constexpr bool enable_statement<detail::Concat<First>> = true;
template <class First>
inline constexpr bool enable_statement<detail::ConcatTokens<First>> = true;

inline namespace MOLMO_ISA {

/// Statement: the operands side by side, first to last.
template <Shaped... X>
  requires(sizeof...(X) >= 2)
[[nodiscard]] constexpr auto concat(X&&... x) {
  const auto first = detail::parts<detail::Columns, detail::NoMoreColumns>(leaf(std::forward<X>(x))...);
  return detail::Concat<std::remove_const_t<decltype(first)>>{first};
}
/// Statement: the tokens of the operands, one operand after another.
template <Shaped... X>
  requires(sizeof...(X) >= 2)
[[nodiscard]] constexpr auto concat_tokens(X&&... x) {
  const auto first = detail::parts<detail::Tokens, detail::NoMoreTokens>(leaf(std::forward<X>(x))...);
  return detail::ConcatTokens<std::remove_const_t<decltype(first)>>{first};
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
