// SPDX-License-Identifier: Apache-2.0
// argmax: where the largest element stands.
//
//   on(cpu, ids) = argmax(logits);        ids: std::int32_t or std::int64_t per row, in a View; logits: [n, D]
//   index_t i = argmax(cpu, x);           over everything: row * D + column
// The first of equals; NaN counts as the largest, as in PyTorch, so a row of NaN is not mistaken for a choice. Over
// nothing (0 tokens) it is -1.
#pragma once

#include <molmo/expr/reduce.hpp>

#include <cstdint>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// The largest so far, and where.
template <class F>
struct Largest {
  F value = -std::numeric_limits<F>::infinity();
  index_t at = -1;

  /// Whether x goes before all that came earlier: it is larger, NaN, or the first. Nothing goes before NaN.
  [[nodiscard]] bool yields_to(F x) const { return !(x <= value) && value == value; }
  void offer(F x, index_t where) {
    if (yields_to(x) || at < 0) value = x, at = where;
  }
};

}  // namespace detail::inline MOLMO_ISA

/// The meaning: the columns of row r, one after another; `so_far` goes on from row to row.
template <class F, class E>
void find_largest(const Reference&, detail::Largest<F>& so_far, const E& erased, index_t r, index_t cols) {
  for (index_t c = 0; c < cols; ++c) so_far.offer(erased.eval(ScalarAt<F>{r, c, F{}}), r * cols + c);
}
/// Xsimd without the header of its loop.
template <class F, class E>
void find_largest(const FastCpu&, detail::Largest<F>&, const E&, index_t, index_t) {
  static_assert(detail::never<E>,
                "molmo: Xsimd has a fast argmax in <molmo/backend/xsimd_argmax.hpp>, which is not included; include "
                "<molmo/cpu.hpp>");
}

namespace detail {

inline constexpr index_t argmax_worth_sharing = 32768;  // elements, among threads

template <class E>
struct ArgmaxOfRows {
  E e;

  template <class Ctx, class T, class S, class M>
  void run(const Ctx& ctx, View<T, S, M> y) const {
    static_assert(std::is_same_v<M, Host>, "molmo: argmax runs on the CPU only");
    static_assert(std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::int64_t>,
                  "molmo: the target of argmax is a view or tensor of std::int32_t or std::int64_t");
    static_assert(of_reals<E>, "molmo: argmax(e) is of real numbers; of integers write argmax(cast<double>(e))");
    using Root = typename E::shape;
    if constexpr (!std::is_same_v<typename OnePerRow<Root>::type, S>) {
      [[maybe_unused]] assign_mismatch<S, typename OnePerRow<Root>::type> wrong;
    } else {
      check_no_acc<E>();
      check_operands<M>(e);
      expects(y.size() == rows_of(e), tokens_differ);
      e.each_leaf([&](const auto& operand) {
        expects(apart(y, operand.view), "molmo: on(ctx, y) = argmax(e): y overlaps an operand of e");
      });
      const auto open = with_numbers(e.template erased<Root>());
      const auto some_rows = [&](int part, int parts) {
        const Range mine = split(y.size(), part, parts, index_t{16});
        auto row = open;
        for (index_t r = mine.begin; r < mine.end; ++r) {
          if constexpr (has_row_reduction<E>() && has_double<E>())  // whose rows Xsimd would reduce in float
            reduce_operands(static_cast<const Reference&>(ctx), row, r);
          else if constexpr (has_row_reduction<E>())
            reduce_operands(ctx, row, r);
          Largest<pass_t<float, E>> largest;
          find_largest(ctx, largest, row, r, Root::cols);
          y.data[r] = static_cast<T>(largest.at - r * Root::cols);
        }
      };
      if (y.size() > 16 && y.size() * Root::cols >= argmax_worth_sharing)
        ctx.parallel(some_rows);
      else
        some_rows(0, 1);
    }
  }
};

}  // namespace detail

template <class E>
inline constexpr bool enable_statement<detail::ArgmaxOfRows<E>> = true;

inline namespace MOLMO_ISA {

/// Statement: for each row the column of its largest element.
template <Shaped X>
[[nodiscard]] auto argmax(X&& x) {
  return detail::ArgmaxOfRows<leaf_t<X>>{leaf(std::forward<X>(x))};
}
/// The index of the largest of all elements, counted row by row; -1 where there is none.
template <class Ctx, Shaped X>
[[nodiscard]] index_t argmax(const Ctx& ctx, X&& x) {
  const auto e = leaf(std::forward<X>(x));
  using E = std::remove_const_t<decltype(e)>;
  static_assert(detail::of_reals<E>, "molmo: argmax(ctx, e) is of real numbers; of integers write cast<double>(e)");
  static_assert(!detail::has_row_reduction<E>(), "molmo: argmax(ctx, e): e has a reduction of rows; store e first");
  detail::check_no_acc<E>();
  detail::check_operands<typename Ctx::memory>(e);
  const auto flat = e.template erased<typename E::shape>();
  detail::Largest<detail::pass_t<float, E>> largest;
  for (index_t r = 0; r < detail::rows_of(e); ++r) find_largest(ctx, largest, flat, r, E::shape::cols);
  return largest.at;
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
