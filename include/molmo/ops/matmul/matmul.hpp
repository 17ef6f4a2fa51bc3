// SPDX-License-Identifier: Apache-2.0
// matmul: y[m, n] = e(sum over k of x[m, k] w[n, k]), w being [out, in] as a linear layer stores it.
//
//   on(cpu, y) = matmul(x, w);
//   on(cpu, y) = matmul(x, w).then(silu(acc) * up + y);          acc: the element about to be stored
//   matmul(x, w).then(acc + bias).then(silu(acc))                is  matmul(x, w).then(silu(acc + bias))
//   on(cpu, q, k, v) = matmul(x, wq, wk, wv).then(acc, acc, acc + bias);        three products in one parallel step
//   on(cpu, h) = matmul(x, gate, up).then(silu(acc0) * acc1);    two products meet; acc0 waits in h, no temporary
// A matmul is a statement, never an operand, so there are no hidden temporaries. y may appear in its own epilogue (a
// residual) unless products meet there; where it overlaps x, a weight, another target or another's epilogue, that is a
// contract_error. What a product means, and where its speed lives: product.hpp.
#pragma once

#include <molmo/core/error.hpp>
#include <molmo/core/list.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>
#include <molmo/expr/targets.hpp>
#include <molmo/ops/matmul/epilogue.hpp>
#include <molmo/ops/matmul/product.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

template <class... SW>
struct WeightShapes {};
template <class... E>
struct Epilogues {};

// Product::when_stored of a statement: tells `consumer` of columns, counted through all targets.
template <class Ctx, class F>
struct TellStored {
  const Ctx& ctx;
  const F& consumer;
  index_t first = 0, grain = 1;

  void operator()(index_t begin, index_t end) const { consumer(ctx, Range{first + begin, first + end}); }
};

// What the types and the numbers of tokens say about a target of shape Y, its weights and its epilogue.
template <class SX, class SW, class E, class Y>
void check_target(const Y& y, index_t tokens, const E& e) {
  using SY = typename Y::shape;
  static_assert(is_real<typename Y::element>, "molmo: the target of a matmul is float, double, bf16 or f16");
  static_assert(Y::even, "molmo: the rows of a matmul's target are evenly apart; store to another tensor");
  [[maybe_unused]] matmul_output_mismatch<SY::cols, SW::static_rows> output;
  static_assert(SX::dynamic == SY::dynamic && SX::static_rows == SY::static_rows,
                "molmo: the target of matmul(x, w) has as many rows as x");
  if constexpr (SX::dynamic)
    expects(tokens == y.tokens(), "molmo: on(ctx, y) = matmul(x, w): y and x have different numbers of tokens");
  static_assert(std::is_same_v<broadcast_t<typename E::shape, SY>, SY>,
                "molmo: the epilogue of a matmul has another shape than its target");
  check_pass(y, e);
}

// No operand of e shares an element with y.
template <class Y, class E>
void check_unread(const Y& y, const E& e, const char* what) {
  e.each_leaf([&](const auto& operand) { expects(apart(y, operand.view), what); });
}

template <class SX, class Weights, class E, class F>
class Matmul;

template <class SX, class... SW, class... E, class F>
class [[nodiscard]] Matmul<SX, WeightShapes<SW...>, Epilogues<E...>, F> {
  static constexpr int products = static_cast<int>(sizeof...(SW));
  static constexpr bool joined = sizeof...(E) != sizeof...(SW);  // two products meet in one expression
  static constexpr bool made = joined || !(std::is_same_v<E, Acc> && ...);  // there was a .then(...)
  template <class... Next>
  using Then = Matmul<SX, WeightShapes<SW...>, Epilogues<Next...>, F>;

 public:
  Matmul(const Rows& x, const WeightMatrix (&w)[sizeof...(SW)], const List<E...>& e, const F& f)
      : x_(x), e_(e), consumer_(f) {
    for (int i = 0; i < products; ++i) w_[i] = w[i];
  }
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  /// Fuses pointwise expressions of `acc` and of tensors shaped like the result into the store: one for each target, or
  /// one in which acc0 and acc1 meet. In a second .then(...), `acc` is the value of the first.
  template <Expr... Next>
  [[nodiscard]] auto then(const Next&... next) && {
    static_assert(((acc_use<Next> != AccUse::no) && ...),
                  "molmo: .then(e): e does not read acc, so the product would be lost; write e with acc in it, or "
                  "assign e without a matmul");
    static_assert(((accs_read<Next>.numbered >> products == 0) && ...),
                  "molmo: .then(e): acc0, acc1, ... number the products of matmul(x, w0, w1, ...), and e asks for one "
                  "more than there are weights");
    static_assert(!made || !(accs_read<Next>.unknown || ...),
                  "molmo: .then(a).then(b): it is not known whether your own expression in b reads acc; specialise "
                  "molmo::acc_use for it, or write one .then(...)");
    if constexpr (sizeof...(Next) == sizeof...(E)) {
      static_assert(!joined || ((accs_read<Next>.numbered == 0) && ...),
                    "molmo: .then(a).then(b): where a has joined acc0 and acc1, b reads what a made as acc");
      static_assert(joined || each_reads_own<Next...>(),
                    "molmo: .then(e0, e1, ...): each target's expression reads acc, its own product; to join two "
                    "products, give one target and one expression");
      return then_each(std::index_sequence_for<E...>{}, next...);
    } else if constexpr (sizeof...(Next) == 1 && products == 2 && !made) {
      static_assert(!(accs_read<Next>.unknown || ...),
                    "molmo: matmul(x, w0, w1).then(e): it is not known whether your own expression in e reads acc; "
                    "specialise molmo::acc_use for it");
      static_assert((reads_both<Next> && ...),
                    "molmo: matmul(x, w0, w1).then(e): e reads both products, acc0 and acc1; the other would be lost");
      return then_made(next...);
    } else {
      static_assert(never<Next...>,
                    "molmo: matmul(x, w0, w1, ...).then(...) has one expression for each target, or one expression in "
                    "which two products meet as acc0 and acc1");
    }
  }

  /// Tells `f` of columns when all their rows are stored, in the same parallel step: f(ctx, Range columns), called once
  /// for every part of them by the thread that stored it. Columns are counted through all targets, in their order; a
  /// part is a multiple of f.grain columns of one target (f.grain divides 16 or is a multiple of it). f outlives the
  /// statement.
  template <class G>
  [[nodiscard]] auto when_stored(const G& f MOLMO_LIFETIMEBOUND) && {
    static_assert(!joined, "molmo: .when_stored(f) follows products that have targets of their own");
    return Matmul<SX, WeightShapes<SW...>, Epilogues<E...>, const G*>(x_, w_, e_, &f);
  }

  template <class Ctx, class... Y>
  void run(const Ctx& ctx, const Y&... y) const {
    if constexpr (sizeof...(Y) != sizeof...(E))
      static_assert(never<Y...>,
                    "molmo: on(ctx, y0, y1, ...) = matmul(x, w0, w1, ...) has one target for each weight, or one "
                    "target and .then(e) in which acc0 and acc1 meet");
    else if constexpr (joined)
      run_joined(ctx, y...);
    else
      run_each(ctx, std::index_sequence_for<Y...>{}, y...);
  }

 private:
  template <std::size_t... Nth, class... Next>
  auto then_each(std::index_sequence<Nth...>, const Next&... next) const {
    if constexpr (joined)
      return then_made(with_acc(next, PutFirst<E>{item<Nth>(e_)})...);
    else
      return then_made(after(item<Nth>(e_), own(next))...);
  }
  // Does each of these expressions, one for each target, read its own product only?
  template <class... Next>
  static constexpr bool each_reads_own() {
    unsigned number = 0;
    return (reads_only<Next>(number++) && ...);
  }
  // acc in the place of acc0, acc1, ...
  template <class Next>
  static auto own(const Next& next) {
    if constexpr (accs_read<Next>.numbered == 0)
      return next;
    else
      return with_acc(next, PutOwn{});
  }
  // e, then next.
  template <class A, class Next>
  static auto after(const A& e, const Next& next) {
    if constexpr (std::is_same_v<A, Acc>)
      return next;
    else
      return with_acc(next, PutFirst<A>{e});
  }
  template <class... Next>
  auto then_made(const Next&... next) const {
    return Then<Next...>(x_, w_, List<Next...>(next...), consumer_);
  }

  template <class Ctx, std::size_t... Nth, class... Y>
  void run_each(const Ctx& ctx, std::index_sequence<Nth...>, const Y&... y) const {
    (check_target<SX, SW>(y, x_.m / SX::static_rows, item<Nth>(e_)), ...);
    if constexpr (products > 1) (check_beside<Nth>(y, std::index_sequence<Nth...>{}), ...);
    multiply_apart(ctx, x_, product<Nth>(ctx, y)...);
  }
  template <std::size_t Nth, std::size_t... Other, class Y>
  void check_beside(const Y& y, std::index_sequence<Other...>) const {
    constexpr const char* what =
        "molmo: on(ctx, y0, y1, ...) = matmul(...): a target overlaps what another's expression reads; the order of "
        "their elements is nobody's: write to another tensor";
    (..., (Nth != Other ? check_unread(y, item<Other>(e_), what) : void()));
  }
  template <std::size_t Nth, class Ctx, class Y>
  auto product(const Ctx& ctx, const Y& y) const {
    const auto flat = item<Nth>(e_).template erased<typename Y::shape>();
    using Flat = std::remove_cvref_t<decltype(flat)>;
    using T = typename Y::element;
    if constexpr (std::is_same_v<F, NoMore>) {
      return Product<T, Flat>{w_[Nth], y.data, y.stride(), flat};
    } else {
      constexpr index_t widths[] = {SW::static_rows...};
      index_t first = 0;
      for (std::size_t i = 0; i < Nth; ++i) first += widths[i];
      using Tell = TellStored<Ctx, std::remove_cvref_t<decltype(*consumer_)>>;
      return Product<T, Flat, Tell>{w_[Nth], y.data, y.stride(), flat, Tell{ctx, *consumer_, first, consumer_->grain}};
    }
  }

  // The first product waits in y; the second's epilogue reads it there, column by column, as the same thread left it.
  template <class Ctx, class Y>
  void run_joined(const Ctx& ctx, const Y& y) const {
    static_assert(std::is_same_v<typename Y::element, float>,
                  "molmo: where two products meet, the first waits in the target: that is float; store to one, and "
                  "then from there");
    const auto& e = item<0>(e_);
    (check_target<SX, SW>(y, x_.m / SX::static_rows, e), ...);
    check_unread(y, e,
                 "molmo: on(ctx, y) = matmul(x, w0, w1).then(e): e reads y, where the first product waits for the "
                 "second; write to another tensor");
    const auto flat = with_acc(e, PutJoined<leaf_t<Y>>{leaf(y)}).template erased<typename Y::shape>();
    multiply_joined(ctx, x_, Product<float, Acc>{w_[0], y.data, y.stride(), acc},
                    Product<float, std::remove_cvref_t<decltype(flat)>>{w_[1], y.data, y.stride(), flat});
  }

  Rows x_;
  WeightMatrix w_[sizeof...(SW)];
  List<E...> e_;
  F consumer_;
};

// The weights of a matmul, with their sizes in the type.
template <class SW>
Weight<SW> weight(Weight<SW> w) {
  return w;
}
template <class W>
auto weight(W&& w) {
  const auto v = borrow(std::forward<W>(w));
  using V = std::remove_cvref_t<decltype(v)>;
  static_assert(V::dense, "molmo: matmul(x, w): the rows of the weights w follow each other; store w first");
  return Weight<typename V::shape>(v);
}

// The epilogue of a product that has none yet. (A struct: nvcc puts the meaning of an alias in its place too early.)
template <class SW>
struct NoEpilogue {
  using type = Acc;
};

template <index_t X, index_t W>
constexpr void check_inner() {
  [[maybe_unused]] matmul_inner_mismatch<X, W> inner;
}

template <class V, class... SW>
auto matmul_of(const V& x, const Weight<SW>&... w) {
  using SX = typename V::shape;
  static_assert(std::is_same_v<typename V::element, float>, "molmo: the activations of a matmul are float");
  static_assert(V::even && std::is_same_v<typename V::memory, Host>,
                "molmo: matmul(x, w): the rows of x are evenly apart in host memory; store x first");
  (check_inner<SX::cols, SW::cols>(), ...);
  using Made = Matmul<SX, WeightShapes<SW...>, Epilogues<typename NoEpilogue<SW>::type...>, NoMore>;
  return Made(Rows{x.data, x.rows(), SX::cols, x.stride()}, {w.matrix()...},
              List<typename NoEpilogue<SW>::type...>(typename NoEpilogue<SW>::type{}...), NoMore{});
}

}  // namespace detail::inline MOLMO_ISA

template <class SX, class W, class E, class F>
inline constexpr bool enable_statement<detail::Matmul<SX, W, E, F>> = true;

inline namespace MOLMO_ISA {

/// x w^T for x of shape [.., K] (float) and w of shape [N, K]: a Weight, a view or a tensor. Of several weights: as
/// many products of x, each with a target of its own, in one parallel step. Borrows all.
template <class X, class W, class... More>
[[nodiscard]] auto matmul(X&& x MOLMO_LIFETIMEBOUND, W&& w MOLMO_LIFETIMEBOUND, More&&... more MOLMO_LIFETIMEBOUND) {
  return detail::matmul_of(detail::borrow(std::forward<X>(x)), detail::weight(std::forward<W>(w)),
                           detail::weight(std::forward<More>(more))...);
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
