// SPDX-License-Identifier: Apache-2.0
// borrow(x): the view of what a statement (matmul, softmax, a norm) reads where it lies: a tensor that lives on, or a
// view.
#pragma once

#include <molmo/expr/leaf.hpp>

namespace molmo::inline v0::detail {

template <class T, class S, class M, index_t R, index_t O>
[[nodiscard]] constexpr View<const T, S, M, R, O> read_only(const View<T, S, M, R, O>& v) {
  return v;
}

template <class X>
[[nodiscard]] constexpr auto borrow(X&& x) {
  using B = std::remove_cvref_t<X>;
  static_assert(is_view<B> || is_tensor<B>,
                "molmo: a matmul reads tensors and views, a softmax and a norm expressions, too; store first what is "
                "calculated otherwise: on(ctx, t) = e, then use t");
  static_assert(!is_tensor<B> || std::is_lvalue_reference_v<X>,
                "molmo: this tensor is gone at the end of the line, before the statement reads it; give it a name");
  if constexpr (is_tensor<B>)
    return std::as_const(x).view();
  else if constexpr (is_view<B>)
    return read_only(x);
}

}  // namespace molmo::inline v0::detail
