// SPDX-License-Identifier: Apache-2.0
// Statements that go on with a row while it is in the cache: softmax, norms and cumulative sums of an expression.
//
//   on(cpu, y) = rms_norm(x + r, w, eps)    gives what   on(cpu, y) = x + r; on(cpu, y) = rms_norm(y, w, eps)   gives,
// bit for bit: the row is stored in y first, rounded to y's type, and changed in place by the thread that stored it.
// So y may be an operand as in any assignment, and there is no temporary.
#pragma once

#include <molmo/expr/row_reduce.hpp>

namespace molmo::inline v0 {
namespace detail {

/// A view whose rows do not follow each other: to these statements, an expression.
template <class X>
inline constexpr bool rows_lie_apart = false;
template <class X>
  requires is_view<std::remove_cvref_t<X>>
inline constexpr bool rows_lie_apart<X> = !std::remove_cvref_t<X>::dense;

/// Row by row y = e, then op(ctx, first row, rows, width) in place. Op also has check(y), for what it reads beside e.
template <class E, class Op>
struct RowStatement {
  E e;
  Op op;

  template <class Ctx, class T, class S, class M, index_t R, index_t O>
  void run(const Ctx& ctx, View<T, S, M, R, O> y) const {
    static_assert(std::is_same_v<M, Host>,
                  "molmo: a softmax, a norm or a cumsum of an expression runs on the CPU only");
    static_assert(is_real<T>, "molmo: the target of a softmax, a norm or a cumsum is float, double, bf16 or f16");
    static_assert(of_reals<E>,
                  "molmo: a softmax, a norm and a cumsum are of real numbers; of integers and of true and false write "
                  "them of cast<float>(e)");
    if constexpr (!std::is_same_v<typename E::shape, S>) {
      [[maybe_unused]] statement_mismatch<S, typename E::shape> wrong;
    } else {
      static_assert(row_local<E>(),
                    "molmo: on(ctx, y) = softmax(e), a norm of e or cumsum(e): e moves indices, so store it first");
      check_no_acc<E>();
      check_pass(y, e);
      op.check(y);
      assign_rows(ctx, y, e, [&ctx, this](T* first, index_t rows) { op(ctx, first, rows, S::cols); });
    }
  }
};

}  // namespace detail

template <class E, class Op>
inline constexpr bool enable_statement<detail::RowStatement<E, Op>> = true;

}  // namespace molmo::inline v0
