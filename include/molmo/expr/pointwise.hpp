// SPDX-License-Identifier: Apache-2.0
// The inner nodes of expressions, Map1 ... Map3, and the operators + - * / that make them.
//
//   x + silu(gate) * up   is   Map2<add_f, Leaf, Map2<mul_f, Map1<silu_f, Leaf>, Leaf>>
// Nothing is calculated here. Shapes combine by broadcasting (broadcast.hpp); those that do not fit are a compile error
// that shows both.
#pragma once

#include <molmo/core/contract.hpp>
#include <molmo/core/error.hpp>
#include <molmo/expr/leaf.hpp>
#include <molmo/expr/row_local.hpp>

namespace molmo::inline v0 {
namespace detail {

MOLMO_HD constexpr bool same_tokens(index_t a, index_t b) { return a < 0 || b < 0 || a == b; }
MOLMO_HD constexpr index_t either_tokens(index_t a, index_t b) { return a < 0 ? b : a; }

inline constexpr const char* tokens_differ = "molmo: the operands of an expression have different numbers of tokens";

// The node for F and one to three operands; combine compares the shapes of a user's operands first.
template <class F, class... Operands>
constexpr auto map(const Operands&... operands);
template <class F, class A, class B>
constexpr auto combine(const A& a, const B& b);
template <class F, class A, class B, class C>
constexpr auto combine(const A& a, const B& b, const C& c);

}  // namespace detail

/// F applied to one operand.
template <class F, class A>
struct Map1 {
  using shape = typename A::shape;
  static constexpr bool pointwise = A::pointwise;
  using kinds = detail::Kinds<F, kind_of<A>>;
  static constexpr NumberKind kind = kinds::result;
  A a;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return a.tokens(); }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    const auto& here = detail::as<kinds::operands>(at);
    if constexpr (requires { F::converts; })
      return F::template to<detail::value_t<kind, At>>(a.eval(here));
    else
      return F{}(a.eval(here));
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    return detail::map<F>(a.template erased<Root>());
  }
  template <class Value>
  [[nodiscard]] constexpr auto with_acc(const Value& value) const {
    return detail::map<F>(detail::with_acc(a, value));
  }
  template <class G>
  constexpr void each_leaf(G&& g) const {
    a.each_leaf(g);
  }
};

/// F applied to two operands of the same or broadcasting shapes.
template <class F, class A, class B>
struct Map2 {
  using shape = detail::broadcast_t<typename A::shape, typename B::shape>;
  static constexpr bool pointwise = A::pointwise && B::pointwise;
  using kinds = detail::Kinds<F, kind_of<A>, kind_of<B>>;
  static constexpr NumberKind kind = kinds::result;
  A a;
  B b;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return detail::either_tokens(a.tokens(), b.tokens()); }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    const auto& here = detail::as<kinds::operands>(at);
    return F{}(a.eval(here), b.eval(here));
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    return detail::map<F>(a.template erased<Root>(), b.template erased<Root>());
  }
  template <class Value>
  [[nodiscard]] constexpr auto with_acc(const Value& value) const {
    return detail::combine<F>(detail::with_acc(a, value), detail::with_acc(b, value));
  }
  template <class G>
  constexpr void each_leaf(G&& g) const {
    a.each_leaf(g);
    b.each_leaf(g);
  }
};

/// F applied to three operands.
template <class F, class A, class B, class C>
struct Map3 {
  using shape = detail::broadcast_t<detail::broadcast_t<typename A::shape, typename B::shape>, typename C::shape>;
  static constexpr bool pointwise = A::pointwise && B::pointwise && C::pointwise;
  using kinds = detail::Kinds<F, kind_of<A>, kind_of<B>, kind_of<C>>;
  static constexpr NumberKind kind = kinds::result;
  A a;
  B b;
  C c;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const {
    return detail::either_tokens(detail::either_tokens(a.tokens(), b.tokens()), c.tokens());
  }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    const auto& here = detail::as<kinds::operands>(at);
    return F{}(a.eval(here), b.eval(here), c.eval(here));
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    return detail::map<F>(a.template erased<Root>(), b.template erased<Root>(), c.template erased<Root>());
  }
  template <class Value>
  [[nodiscard]] constexpr auto with_acc(const Value& value) const {
    return detail::combine<F>(detail::with_acc(a, value), detail::with_acc(b, value), detail::with_acc(c, value));
  }
  template <class G>
  constexpr void each_leaf(G&& g) const {
    a.each_leaf(g);
    b.each_leaf(g);
    c.each_leaf(g);
  }
};

template <class F, class A>
inline constexpr bool enable_expr<Map1<F, A>> = true;
template <class F, class A, class B>
inline constexpr bool enable_expr<Map2<F, A, B>> = true;
template <class F, class A, class B, class C>
inline constexpr bool enable_expr<Map3<F, A, B, C>> = true;
template <class F, class A>
inline constexpr AccUse acc_use<Map1<F, A>> = acc_use<A>;
template <class F, class A, class B>
inline constexpr AccUse acc_use<Map2<F, A, B>> = detail::acc_use_of_all<A, B>;
template <class F, class A, class B, class C>
inline constexpr AccUse acc_use<Map3<F, A, B, C>> = detail::acc_use_of_all<A, B, C>;

namespace detail {

template <class F, class... Operands>
constexpr auto map(const Operands&... operands) {
  using K = Kinds<F, kind_of<Operands>...>;
  static_assert(K::not_mixed,
                "molmo: integers beside reals: a float has no place for all of them; write cast<float>(ids), or "
                "cast<std::int32_t>(x) for integers");
  static_assert(K::real_enough, "molmo: this function is of real numbers; of integers write it of cast<float>(ids)");
  static_assert(K::whole_enough,
                "molmo: a % b is of integers; of reals write x - y * cast<float>(cast<std::int64_t>(x / y))");
  static_assert(K::chosen_by_truth,
                "molmo: where(c, a, b): c is a comparison or a tensor of bool; of numbers write c != 0");
  static_assert(K::joins_truth,
                "molmo: && || and ! join comparisons and tensors of bool; of numbers write x != 0");
  static_assert(K::no_truth_as_number,
                "molmo: true and false (comparisons, tensors of bool) are no numbers; write where(c, 1, 0) or "
                "cast<float>(c)");
  if constexpr (sizeof...(Operands) == 1)
    return Map1<F, Operands...>{operands...};
  else if constexpr (sizeof...(Operands) == 2)
    return Map2<F, Operands...>{operands...};
  else
    return Map3<F, Operands...>{operands...};
}

// A node of user operands: first the shapes are compared, so that a mistake ends in one message.
template <class F, class A, class B>
constexpr auto combine(const A& a, const B& b) {
  if constexpr (Broadcast<typename A::shape, typename B::shape>::ok)
    return map<F>(a, b);
  else
    return shape_mismatch<typename A::shape, typename B::shape>{};
}
template <class F, class A, class B, class C>
constexpr auto combine(const A& a, const B& b, const C& c) {
  if constexpr (!Broadcast<typename A::shape, typename B::shape>::ok)
    return shape_mismatch<typename A::shape, typename B::shape>{};
  else if constexpr (!Broadcast<broadcast_t<typename A::shape, typename B::shape>, typename C::shape>::ok)
    return shape_mismatch<broadcast_t<typename A::shape, typename B::shape>, typename C::shape>{};
  else
    return map<F>(a, b, c);
}

// Each knows its symbol, for formula(e), and its adjoint (functions.hpp).
struct add_f {
  static constexpr const char* name = "+";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return a + b;
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V, V, V, A& da, B& db) const {
    da = g;
    db = g;
  }
};
struct sub_f {
  static constexpr const char* name = "-";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return a - b;
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V, V, V, A& da, B& db) const {
    da = g;
    db = -g;
  }
};
struct mul_f {
  static constexpr const char* name = "*";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return a * b;
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V, V a, V b, A& da, B& db) const {
    da = g * b;
    db = g * a;
  }
};
struct div_f {
  static constexpr const char* name = "/";
  template <class V>
  MOLMO_INLINE V operator()(V a, V b) const {
    return a / b;
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V y, V, V b, A& da, B& db) const {
    const V share = g / b;
    da = share;
    db = -(share * y);
  }
};
struct neg_f {
  static constexpr const char* name = "-";
  template <class V>
  MOLMO_INLINE V operator()(V a) const {
    return -a;
  }
  template <class V, class A>
  MOLMO_INLINE void pull(V g, V, V, A& da) const {
    da = -g;
  }
};

}  // namespace detail

/// Two operands of which at least one has a shape.
template <class A, class B>
concept OperandPair = Operand<A> && Operand<B> && (Shaped<A> || Shaped<B>);

inline namespace MOLMO_ISA {

template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator+(A&& a, B&& b) {
  return detail::combine<detail::add_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator-(A&& a, B&& b) {
  return detail::combine<detail::sub_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator*(A&& a, B&& b) {
  return detail::combine<detail::mul_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <class A, class B>
  requires OperandPair<A, B>
[[nodiscard]] constexpr auto operator/(A&& a, B&& b) {
  return detail::combine<detail::div_f>(leaf(std::forward<A>(a)), leaf(std::forward<B>(b)));
}
template <Shaped A>
[[nodiscard]] constexpr auto operator-(A&& a) {
  return detail::map<detail::neg_f>(leaf(std::forward<A>(a)));
}

// A matmul, a softmax or a row reduction is a statement: it stands alone on the right of on(ctx, y) = ... The deleted
// functions say so, in the name of their parameter too.
template <Statement S, class B>
void operator+(const S& statement, B&& what_follows_a_matmul_goes_into_then) = delete;
template <Statement S, class B>
void operator-(const S& statement, B&& what_follows_a_matmul_goes_into_then) = delete;
template <Statement S, class B>
void operator*(const S& statement, B&& what_follows_a_matmul_goes_into_then) = delete;
template <Statement S, class B>
void operator/(const S& statement, B&& what_follows_a_matmul_goes_into_then) = delete;
template <Operand A, Statement S>
void operator+(A&& what_follows_a_matmul_goes_into_then, const S& statement) = delete;
template <Operand A, Statement S>
void operator-(A&& what_follows_a_matmul_goes_into_then, const S& statement) = delete;
template <Operand A, Statement S>
void operator*(A&& what_follows_a_matmul_goes_into_then, const S& statement) = delete;
template <Operand A, Statement S>
void operator/(A&& what_follows_a_matmul_goes_into_then, const S& statement) = delete;
template <Statement S>
void operator-(const S& a_statement_stands_alone_store_it_first) = delete;

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
