// SPDX-License-Identifier: Apache-2.0
// on(ctx, y) = e   runs: one pass over memory that reads every operand once and writes y once.
//
//   on(cpu, y) = x + silu(gate) * up;      on(cpu, y) += e   is   on(cpu, y) = y + e;   also -= *= /=
//   on(cpu, y) += matmul(x, w)             is   matmul(x, w).then(acc + y)
// y may be one of the operands: index i is read before it is written. An operand that overlaps y at another index is
// refused (contract_error), and so are operands whose token counts differ. The loop below is the meaning; the fast
// ones are in backend/xsimd.hpp and backend/cuda.cuh.
#pragma once

#include <molmo/expr/pointwise.hpp>  // before the functions: errors about operands show the way to it

#include <molmo/backend/reference.hpp>
#include <molmo/core/error.hpp>
#include <molmo/core/overlap.hpp>
#include <molmo/expr/acc.hpp>
#include <molmo/expr/activations.hpp>
#include <molmo/expr/row_local.hpp>

namespace molmo::inline v0 {
namespace detail {

// True where a part of e asks for its row or column (expr/position.hpp).
template <class E>
constexpr bool reads_position() {
  bool any = requires { E::reads_position; };
  if constexpr (requires(E e) { e.a; }) any = any || reads_position<decltype(E::a)>();
  if constexpr (requires(E e) { e.b; }) any = any || reads_position<decltype(E::b)>();
  if constexpr (requires(E e) { e.c; }) any = any || reads_position<decltype(E::c)>();
  return any;
}

// Element i of the operand is element i in memory. (Operands that do not say are.)
template <class L>
constexpr bool is_flat() {
  if constexpr (requires { L::flat; })
    return L::flat;
  else
    return true;
}
// True where an operand has other sizes than the target or rows that lie apart, so that the walk cannot be flattened to
// one row.
template <class E, class Root>
constexpr bool broadcasts() {
  bool any = false;
  E{}.each_leaf([&]<class L>(const L&) { any = any || !std::is_same_v<typename L::shape, Root> || !is_flat<L>(); });
  return any || reads_position<E>();
}

// Every operand's rows can be said by two distances, seen from rows of the shape Root.
template <class E, class Root>
constexpr bool spreads_within() {
  bool all = true;
  if constexpr (Root::rank > 3)  // below there are no more
    E{}.each_leaf([&]<class L>(const L&) {
      if constexpr (requires { L::template places<Root>.ok; }) all = all && L::template places<Root>.ok;
    });
  return all;
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

// Operands stand beside the walk over Root, and mean the same beside each other. A part of e with tokens and fewer axes
// than Root (Low) has them first, so its other operands must not have a row, which would stand beside Root's last axis.
// A row reduction walks over rows of its own.
template <class E, class Root, bool Low = false>
constexpr bool lies_alike() {
  using S = typename E::shape;
  constexpr bool one = S::rank == 0 || S::dynamic || elements_per_token<S> == 1;
  if constexpr (is_row_reduction<E>) {
    return (one || !Low) && lies_alike<decltype(E::a), typename decltype(E::a)::shape>();
  } else if constexpr (Root::rank <= 2 && !has_row_reduction<E>()) {
    return true;  // there are no such parts
  } else if constexpr (!requires(E e) { e.a; }) {
    return one || !Low;
  } else {
    constexpr bool low = Low || (S::dynamic && S::rank < Root::rank);
    bool all = lies_alike<decltype(E::a), Root, low>();
    if constexpr (requires(E e) { e.b; }) all = all && lies_alike<decltype(E::b), Root, low>();
    if constexpr (requires(E e) { e.c; }) all = all && lies_alike<decltype(E::c), Root, low>();
    return all;
  }
}
template <class E, class Root>
constexpr void check_axes() {
  static_assert(lies_alike<E, Root>(),
                "molmo: on(ctx, y) = e: a part of e with tokens has fewer axes than y and itself spreads a row; store "
                "that part first");
}

inline namespace MOLMO_ISA {

// All operands of e lie in Memory and have the same number of tokens.
template <class Memory, class E>
void check_operands(const E& e) {
  check_axes<E, typename E::shape>();
  e.each_leaf([&](const auto& operand) {
    using L = std::remove_cvref_t<decltype(operand)>;
    static_assert(std::is_same_v<typename decltype(L::view)::memory, Memory>,
                  "molmo: an operand lies in other memory (host or device) than the target");
    if constexpr (L::shape::dynamic) expects(same_tokens(e.tokens(), operand.tokens()), tokens_differ);
    if constexpr (requires { operand.check(); }) operand.check();  // that ids lie inside their table
  });
}

template <class T, class S, class M, index_t R, index_t O, class E>
void check_pass(const View<T, S, M, R, O>& y, const E& e) {
  check_axes<E, S>();
  check_operands<M>(e);
  expects(rows_apart(y), "molmo: on(ctx, y) = e: rows of y overlap each other");
  if constexpr (S::dynamic)
    expects(same_tokens(y.tokens(), e.tokens()), "molmo: on(ctx, y) = e: y and e have different numbers of tokens");
  e.each_leaf([&](const auto& operand) {
    using L = std::remove_cvref_t<decltype(operand)>;
    expects(apart(y, operand.view) || (!requires { L::moves; } && same_place(y, operand.view)),
            "molmo: on(ctx, y) = e: y overlaps an operand of e at another index; write to another tensor");
  });
}

}  // namespace MOLMO_ISA

}  // namespace detail

/// The meaning of an assignment: y(r, c) = e(r, c) for all positions. Rows of y may lie apart.
template <class T, class S, index_t R, index_t O, class E>
void assign(const Reference&, View<T, S, Host, R, O> y, const E& e) {
  using F = detail::pass_t<T, E>;
  const auto flat = e.template erased<S>();
  for (index_t r = 0; r < y.rows(); ++r)
    for (index_t c = 0; c < S::cols; ++c) y(r, c) = static_cast<T>(flat.eval(detail::as_stored<T>(ScalarAt<F>{r, c})));
}

/// The left side of on(ctx, y) = ...
template <class Ctx, class T, class S, class Memory, index_t R = detail::dense_stride<S>,
          index_t O = detail::EvenOuter<S, R>::value>
class Target {
 public:
  Target(const Ctx& ctx, View<T, S, Memory, R, O> y) : ctx_(ctx), y_(y) {}
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// Runs a pointwise expression into y, row by row where rows of it are reduced (row_reduce.hpp).
  template <Operand E>
  void operator=(E&& e) && {
    const auto operand = leaf(std::forward<E>(e));
    using X = std::remove_cvref_t<decltype(operand)>;
    if constexpr (detail::has_row_reduction<X>()) {
      detail::assign_by_rows(ctx_, y_, operand);
    } else if constexpr (!std::is_same_v<detail::broadcast_t<typename X::shape, S>, S>) {
      [[maybe_unused]] assign_mismatch<S, typename X::shape> wrong;
    } else if constexpr (!detail::spreads_within<X, S>()) {
      static_assert(detail::always_false<X>,
                    "molmo: on(ctx, y) = e: an operand of e spreads over axes on both sides of one that it has; store "
                    "it in the shape of y");
    } else {
      static_assert(is_element<T>,
                    "molmo: the target of on(ctx, y) = e is float, double, bf16, f16, bool or an integer that "
                    "expressions read");
      using Kept = detail::Storable<T, kind_of<X>>;
      static_assert(Kept::no_truth_as_number,
                    "molmo: on(ctx, y) = e: e is true or false and y holds numbers; write where(e, 1, 0)");
      static_assert(Kept::no_number_as_truth,
                    "molmo: on(ctx, y) = e: y holds true or false and e is numbers; write e != 0");
      static_assert(Kept::no_integer_as_real,
                    "molmo: on(ctx, y) = e: e is integers and y holds reals; write cast<float>(e)");
      static_assert(Kept::no_real_as_integer,
                    "molmo: on(ctx, y) = e: e is real and y holds integers; write cast<std::int32_t>(e), which "
                    "truncates");
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
    if constexpr (View<T, S, Memory, R, O>::dense)
      statement.run(ctx_, y_);
    else if constexpr (requires { statement.run(ctx_, y_); })
      statement.run(ctx_, y_);
    else
      static_assert(detail::always_false<X>,
                    "molmo: this statement writes rows that follow each other, and those of y lie apart; write to a "
                    "tensor, then copy: on(ctx, y) = t");
  }

  /// y = y + e, and the like for - * /: one pass. Of a product: its epilogue.
  template <class X>
    requires(Operand<X> || Statement<X>)
  void operator+=(X&& e) && {
    update<detail::add_f>(std::forward<X>(e));
  }
  template <class X>
    requires(Operand<X> || Statement<X>)
  void operator-=(X&& e) && {
    update<detail::sub_f>(std::forward<X>(e));
  }
  template <class X>
    requires(Operand<X> || Statement<X>)
  void operator*=(X&& e) && {
    update<detail::mul_f>(std::forward<X>(e));
  }
  template <class X>
    requires(Operand<X> || Statement<X>)
  void operator/=(X&& e) && {
    update<detail::div_f>(std::forward<X>(e));
  }

 private:
  template <class F, class X>
  void update(X&& e) {
    if constexpr (Operand<X>)
      std::move(*this) = detail::combine<F>(leaf(y_), leaf(std::forward<X>(e)));
    else if constexpr (requires { std::forward<X>(e).then(detail::combine<F>(leaf(y_), acc)); })
      std::move(*this) = std::forward<X>(e).then(detail::combine<F>(leaf(y_), acc));
    else
      static_assert(detail::always_false<X>,
                    "molmo: on(ctx, y) += s works where s is an expression or a matmul; store this statement first: "
                    "on(ctx, t) = s, then on(ctx, y) += t");
  }

  const Ctx& ctx_;
  View<T, S, Memory, R, O> y_;
};

/// on(ctx, y) = expression or statement: calculates it with ctx and stores it in y.
template <class Ctx, class T, class S, class M, index_t R, index_t O>
[[nodiscard]] Target<Ctx, T, S, M, R, O> on(const Ctx& ctx, View<T, S, M, R, O> y) {
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
