// SPDX-License-Identifier: Apache-2.0
// on(ctx, y) = e   runs: one pass over memory that reads every operand once and writes y once.
//
//   on(cpu, y) = x + silu(gate) * up;
// y may be one of the operands: index i is read before it is written. An operand that overlaps y at another index is
// refused (contract_error), and so are operands whose token counts differ. The loop below is the meaning; the fast
// ones are in backend/xsimd.hpp and backend/cuda.cuh.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/core/error.hpp>
#include <molmo/core/overlap.hpp>
#include <molmo/expr/acc.hpp>
#include <molmo/expr/functions.hpp>

namespace molmo::inline v0 {
namespace detail {

// True where an operand has other sizes than the target, so that the walk cannot be flattened to one row.
template <class E, class Root>
constexpr bool broadcasts() {
  bool any = false;
  E{}.each_leaf([&]<class L>(const L&) { any = any || !std::is_same_v<typename L::shape, Root>; });
  return any;
}

template <class E>
constexpr bool has_double() {
  bool any = false;
  E{}.each_leaf([&]<class L>(const L&) { any = any || std::is_same_v<typename decltype(L::view)::element, double>; });
  return any;
}

// What is computed in: double where an operand or the target is double, float otherwise.
template <class T, class E>
using pass_t = std::conditional_t<std::is_same_v<T, double> || has_double<E>(), double, float>;

template <class A, class B>
bool apart(const A& a, const B& b) {
  return apart(Extent{a.data, a.size() * static_cast<index_t>(sizeof(*a.data))},
               Extent{b.data, b.size() * static_cast<index_t>(sizeof(*b.data))});
}
// The same elements, whatever their type: index i of one is index i of the other.
template <class A, class B>
bool same_place(const A& a, const B& b) {
  return std::is_same_v<typename A::shape, typename B::shape> && sizeof(*a.data) == sizeof(*b.data) &&
         static_cast<const void*>(a.data) == static_cast<const void*>(b.data);
}

// All operands of e lie in Memory and have the same number of tokens.
template <class Memory, class E>
void check_operands(const E& e) {
  e.each_leaf([&](const auto& operand) {
    using L = std::remove_cvref_t<decltype(operand)>;
    static_assert(std::is_same_v<typename decltype(L::view)::memory, Memory>,
                  "molmo: an operand lies in other memory (host or device) than the target");
    if constexpr (L::shape::dynamic) expects(same_tokens(e.tokens(), operand.tokens()), tokens_differ);
  });
}

template <class T, class S, class M, class E>
void check_pass(const View<T, S, M>& y, const E& e) {
  check_operands<M>(e);
  if constexpr (S::dynamic)
    expects(same_tokens(y.tokens(), e.tokens()), "molmo: on(ctx, y) = e: y and e have different numbers of tokens");
  e.each_leaf([&](const auto& operand) {
    expects(apart(y, operand.view) || same_place(y, operand.view),
            "molmo: on(ctx, y) = e: y overlaps an operand of e at another index; write to another tensor");
  });
}

}  // namespace detail

/// The meaning of an assignment: y(r, c) = e(r, c) for all positions.
template <class T, class S, class E>
void assign(const Reference&, View<T, S> y, const E& e) {
  using F = detail::pass_t<T, E>;
  const auto flat = e.template erased<S>();
  for (index_t r = 0; r < y.rows(); ++r)
    for (index_t c = 0; c < S::cols; ++c) y(r, c) = static_cast<T>(flat.eval(ScalarAt<F>{r, c}));
}

/// The left side of on(ctx, y) = ...
template <class Ctx, class T, class S, class Memory>
class Target {
 public:
  Target(const Ctx& ctx, View<T, S, Memory> y) : ctx_(ctx), y_(y) {}
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// Runs a pointwise expression into y.
  template <Operand E>
  void operator=(E&& e) && {
    const auto operand = leaf(std::forward<E>(e));
    using X = std::remove_cvref_t<decltype(operand)>;
    if constexpr (!std::is_same_v<detail::broadcast_t<typename X::shape, S>, S>) {
      [[maybe_unused]] assign_mismatch<S, typename X::shape> wrong;
    } else {
      static_assert(is_element<T>, "molmo: the target of on(ctx, y) = e is float, double, bf16 or f16");
      static_assert(X::pointwise,
                    "molmo: on(ctx, y) = e reads and writes index by index; e moves indices, so store it first");
      detail::check_no_acc<X>();
      detail::check_pass(y_, operand);
      assign(ctx_, y_, operand);
    }
  }
  /// Runs a statement (matmul, softmax, ...) into y.
  template <Statement X>
  void operator=(X&& statement) && {
    statement.run(ctx_, y_);
  }

 private:
  const Ctx& ctx_;
  View<T, S, Memory> y_;
};

/// on(ctx, y) = expression or statement: calculates it with ctx and stores it in y.
template <class Ctx, class T, class S, class M>
[[nodiscard]] Target<Ctx, T, S, M> on(const Ctx& ctx, View<T, S, M> y) {
  static_assert(!std::is_const_v<T>, "molmo: the target of on(ctx, y) is read-only");
  static_assert(std::is_same_v<M, typename Ctx::memory>,
                "molmo: on(ctx, y): y lies in memory (host or device) that this backend does not reach");
  return {ctx, y};
}
template <class Ctx, class T, index_t... D>
[[nodiscard]] Target<Ctx, T, Shape<D...>, Host> on(const Ctx& ctx, Tensor<T, D...>& y) {
  return {ctx, y.view()};
}

}  // namespace molmo::inline v0
