// SPDX-License-Identifier: Apache-2.0
// cost(e), cost(y, e): the operations and bytes of an expression, of on(ctx, y) = e.
//
//   cost(y, x + silu(gate) * up).bytes       4 bytes x 4 tensors x elements: each read or written once
// Operations are counted by running every function once on numbers that count: + - * / sqrt, a maximum and a choice are
// one each, exp and its like as flops_of says (core/cost.hpp). So functions of your own are counted, too; one that
// cannot run on such numbers has a static member `flops`. An operand that stands in several places is read once.
#pragma once

#include <molmo/core/cost.hpp>
#include <molmo/expr/functions.hpp>

namespace molmo::inline v0 {
namespace detail {

/// A number that counts the operations it takes part in. Constants count for nothing among themselves.
struct Counted {
  double* count = nullptr;

  static Counted broadcast(float) { return {}; }
  static Counted add(int operations, Counted a) {
    if (a.count != nullptr) *a.count += operations;
    return a;
  }
  static Counted add(int operations, Counted a, Counted b) { return add(operations, a.count != nullptr ? a : b); }
  static Counted add(int operations, Counted a, Counted b, Counted c) {
    return add(operations, a.count != nullptr ? a : b.count != nullptr ? b : c);
  }

  friend Counted operator+(Counted a, Counted b) { return add(1, a, b); }
  friend Counted operator-(Counted a, Counted b) { return add(1, a, b); }
  friend Counted operator*(Counted a, Counted b) { return add(1, a, b); }
  friend Counted operator/(Counted a, Counted b) { return add(1, a, b); }
  friend Counted operator%(Counted a, Counted b) { return add(1, a, b); }
  friend Counted operator-(Counted a) { return add(1, a); }
  friend Counted fma(Counted a, Counted b, Counted c) { return add(2, a, b, c); }
  friend Counted select(Counted c, Counted a, Counted b) { return add(1, c, a, b); }
  friend Counted select_less(Counted x, Counted limit, Counted yes, Counted no) {
    return add(1, add(1, x, limit), yes, no);
  }
  friend Counted larger(Counted a, Counted b) { return add(1, a, b); }
  friend Counted larger_or_nan(Counted a, Counted b) { return add(1, a, b); }
  friend Counted smaller(Counted a, Counted b) { return add(1, a, b); }
  friend Counted abs(Counted a) { return add(1, a); }
  friend Counted sqrt(Counted a) { return add(1, a); }
  friend Counted floor(Counted a) { return add(1, a); }
  friend Counted ceil(Counted a) { return add(1, a); }
  friend Counted round_to_integer(Counted a) { return add(1, a); }
  friend Counted exp(Counted a) { return add(flops_of::exp, a); }
  friend Counted exp2(Counted a) { return add(flops_of::exp2, a); }
  friend Counted expm1(Counted a) { return add(flops_of::expm1, a); }
  friend Counted log(Counted a) { return add(flops_of::log, a); }
  friend Counted log1p(Counted a) { return add(flops_of::log1p, a); }
  friend Counted tanh(Counted a) { return add(flops_of::tanh, a); }
  friend Counted erf(Counted a) { return add(flops_of::erf, a); }
  friend Counted sin(Counted a) { return add(flops_of::sin, a); }
  friend Counted cos(Counted a) { return add(flops_of::cos, a); }
  friend Counted pow(Counted a, Counted b) { return add(flops_of::pow, a, b); }
};

/// What a comparison of them gives: as a register's mask, of a type of its own, where gradients end.
struct CountedTruth : Counted {};

inline CountedTruth operator<(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator<=(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator>(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator>=(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator==(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator!=(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator&&(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator||(Counted a, Counted b) { return {Counted::add(1, a, b)}; }
inline CountedTruth operator!(Counted a) { return {Counted::add(1, a)}; }

/// A position of numbers that count: for nodes that calculate at a position, such as gradients.
struct CountingAt {
  using value = Counted;
  index_t row = 0, col = 0;
  Counted acc{};
  double* count = nullptr;

  template <class T>
  Counted load(const T*) const {
    return {count};
  }
  CountedTruth load(const bool*) const { return {{count}}; }
  CountedTruth truth(bool) const { return {{count}}; }
  template <class T>
  Counted splat(T) const {
    return {count};
  }
};

/// The operations of one element of an expression.
class OperationCounter {
 public:
  template <class E>
  void visit(const E& e) {
    if constexpr (requires { E::flops; })
      total_ += E::flops;
    else if constexpr (requires { e.x; })  // a gradient: its walk, forwards and backwards
      (void)e.template erased<typename E::shape>().eval(CountingAt{0, 0, {&total_}, &total_});
    else if constexpr (requires { e.a; })  // a node of another kind, such as a sum: one for each element it reads
      total_ += 1;
    if constexpr (!requires { e.x; }) {
      if constexpr (requires { e.a; }) visit(e.a);
      if constexpr (requires { e.b; }) visit(e.b);
      if constexpr (requires { e.c; }) visit(e.c);
    }
  }
  template <class F, class A>
  void visit(const Map1<F, A>& e) {
    call(F{}, e.a);
  }
  template <class F, class A, class B>
  void visit(const Map2<F, A, B>& e) {
    call(F{}, e.a, e.b);
  }
  template <class F, class A, class B, class C>
  void visit(const Map3<F, A, B, C>& e) {
    call(F{}, e.a, e.b, e.c);
  }
  [[nodiscard]] double total() const { return total_; }

 private:
  template <class F, class A, class... Rest>
  void call(const F& f, const A& a, const Rest&... rest) {
    if constexpr (requires { a.function.f; }) {  // a function with a state holds its first operand
      call(a.function.f, a.a, rest...);
    } else {
      if constexpr (requires { F::flops; })
        total_ += F::flops;
      else
        (void)f(counted(a), counted(rest)...);
      visit(a);
      (visit(rest), ...);
    }
  }
  template <class E>
  Counted counted(const E&) {
    return {&total_};
  }

  double total_ = 0;
};

template <class E>
[[nodiscard]] double elements_of(const E& e) {
  using S = typename E::shape;
  return static_cast<double>((S::dynamic ? e.tokens() : index_t{1}) * elements_per_token<S>);
}

/// The bytes of the operands of e, each place in memory once.
template <class E>
[[nodiscard]] double bytes_of_operands(const E& e) {
  double bytes = 0;
  int here = 0;
  e.each_leaf([&](const auto& l) {
    const auto size = [](const auto& v) { return static_cast<double>(v.size()) * sizeof(*v.data); };
    bool seen = false;
    int there = 0;
    e.each_leaf([&](const auto& before) {
      seen = seen || (there < here && static_cast<const void*>(before.view.data) == l.view.data &&
                      size(before.view) == size(l.view));
      ++there;
    });
    if (!seen) bytes += size(l.view);
    ++here;
  });
  return bytes;
}

}  // namespace detail

/// What an expression takes to be calculated once: operations of all its elements, every operand read once.
template <Shaped E>
[[nodiscard]] Cost cost(E&& e) {
  const auto x = leaf(std::forward<E>(e));
  detail::OperationCounter counter;
  counter.visit(x);
  return {counter.total() * detail::elements_of(x), detail::bytes_of_operands(x)};
}
/// The same of on(ctx, y) = e: y is written once, too.
template <class Y, Shaped E>
  requires(is_view<std::remove_cvref_t<Y>> || is_tensor<std::remove_cvref_t<Y>>)
[[nodiscard]] Cost cost(const Y& y, E&& e) {
  return cost(std::forward<E>(e)) + Cost{0, static_cast<double>(y.size()) * sizeof(*leaf(y).view.data)};
}

}  // namespace molmo::inline v0
