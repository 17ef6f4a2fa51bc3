// SPDX-License-Identifier: Apache-2.0
// Reductions over tokens: of [n, D] one number per column. Statements.
//
//   on(cpu, db) = token_sum(dy);       the gradient of a bias: [n, D] -> [D]
//   on(cpu, load) = token_mean(p);     the load of each expert: [n, experts] -> [experts]
// token_sum, token_mean, token_max, token_min; of [n, H, d] they are [H, d]. Of no tokens: 0, NaN, -infinity,
// +infinity. A NaN stays in its column. The loop below adds in double, one token after another; the fast one
// (backend/xsimd_tokens.hpp) adds 16 tokens in float, then in double. A column is one thread's, so the number of
// threads never shows.
#pragma once

#include <molmo/expr/assign.hpp>
#include <molmo/expr/reduction_kinds.hpp>
#include <molmo/expr/row_local.hpp>

namespace molmo::inline v0 {
namespace detail {

template <class S>
struct WithoutTokens {
  static constexpr bool any = false;
};
template <index_t... D>
struct WithoutTokens<Shape<dyn, D...>> {
  static constexpr bool any = sizeof...(D) > 0;
  using type = Shape<D...>;
};

/// What the sum becomes at last: divided by the number of tokens for a mean.
template <class T>
struct TokenTarget {
  T* y;
  double divisor;

  void store(index_t c, double total) const {
    if constexpr (sizeof(T) == 2)
      y[c] = T(static_cast<float>(total / divisor));
    else
      y[c] = static_cast<T>(total / divisor);
  }
};

}  // namespace detail

/// The columns of a token: `rows` times `width`. Row r of token t is row t * step + r of the erased expression.
struct TokenWalk {
  index_t tokens = 0, step = 1, rows = 1, width = 0;
};

/// The meaning: each column of y = that column of all tokens of e, combined in order, in double.
template <class R, class F, class T, class E>
void reduce_tokens(const Reference&, R, F, const detail::TokenTarget<T>& y, const E& erased, const TokenWalk& w) {
  for (index_t row = 0; row < w.rows; ++row)
    for (index_t c = 0; c < w.width; ++c) {
      double total = R::identity;
      for (index_t t = 0; t < w.tokens; ++t)
        total = R::combine(static_cast<double>(erased.eval(ScalarAt<F>{t * w.step + row, c, F{}})), total);
      y.store(row * w.width + c, total);
    }
}
/// Xsimd without the header of its loop.
template <class R, class F, class T, class E>
void reduce_tokens(const FastCpu&, R, F, const detail::TokenTarget<T>&, const E&, const TokenWalk&) {
  static_assert(detail::never<E>,
                "molmo: Xsimd has fast reductions over tokens in <molmo/backend/xsimd_tokens.hpp>, which is not "
                "included; include <molmo/cpu.hpp>");
}

namespace detail {

template <class R, bool Mean, class E>
struct TokenReduction {
  E e;

  template <class Ctx, class T, class S, class M>
  void run(const Ctx& ctx, View<T, S, M> y) const {
    using Root = typename E::shape;
    static_assert(std::is_same_v<M, Host>, "molmo: token_sum, token_mean, ... run on the CPU only");
    static_assert(is_real<T>, "molmo: the target of token_sum, token_mean, ... is float, double, bf16 or f16");
    if constexpr (!std::is_same_v<typename WithoutTokens<Root>::type, S>) {
      [[maybe_unused]] token_mismatch<S, Root> wrong;
    } else if constexpr (of_reals<E>) {  // else refused by reduce_over_tokens
      check_no_acc<E>();
      check_operands<M>(e);
      e.each_leaf([&](const auto& operand) {
        expects(apart(y, operand.view),
                "molmo: on(ctx, y) = token_sum(e), token_mean(e), ...: y overlaps an operand of e; write to another "
                "tensor");
      });
      const TokenTarget<T> target{y.data, Mean ? static_cast<double>(e.tokens()) : 1.0};
      constexpr bool flat = !broadcasts<E, Root>();  // a token is one long row
      constexpr index_t rows = flat ? index_t{1} : Root::static_rows;
      const TokenWalk walk{e.tokens(), Root::static_rows, rows, elements_per_token<Root> / rows};
      reduce_tokens(ctx, R{}, pass_t<T, E>{}, target, e.template erased<Root>(), walk);
    }
  }
};

template <class R, bool Mean, class X>
auto reduce_over_tokens(const X& x) {
  static_assert(of_reals<X>, "molmo: token_sum(e), token_mean(e), ...: e is real numbers; write cast<float>(e)");
  static_assert(WithoutTokens<typename X::shape>::any,
                "molmo: token_sum(e), token_mean(e), ... reduce [n, D] to [D]; of a column [n] it is sum(ctx, e)");
  static_assert(
      !has_row_reduction<X>(),
      "molmo: token_sum(e), token_mean(e), ...: e has a reduction of rows, which would be calculated anew for "
      "every few columns; store it first: on(ctx, s) = mean(x), then use s");
  return TokenReduction<R, Mean, X>{x};
}

}  // namespace detail

template <class R, bool Mean, class E>
inline constexpr bool enable_statement<detail::TokenReduction<R, Mean, E>> = true;

inline namespace MOLMO_ISA {

/// Statement: the sum of each column over all tokens.
template <Shaped X>
[[nodiscard]] auto token_sum(X&& x) {
  return detail::reduce_over_tokens<SumOf, false>(leaf(std::forward<X>(x)));
}
/// Statement: the mean of each column over all tokens.
template <Shaped X>
[[nodiscard]] auto token_mean(X&& x) {
  return detail::reduce_over_tokens<SumOf, true>(leaf(std::forward<X>(x)));
}
/// Statement: the largest element of each column, NaN where one is NaN.
template <Shaped X>
[[nodiscard]] auto token_max(X&& x) {
  return detail::reduce_over_tokens<MaxOf, false>(leaf(std::forward<X>(x)));
}
/// Statement: the smallest element of each column, NaN where one is NaN.
template <Shaped X>
[[nodiscard]] auto token_min(X&& x) {
  return detail::reduce_over_tokens<MinOf, false>(leaf(std::forward<X>(x)));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
