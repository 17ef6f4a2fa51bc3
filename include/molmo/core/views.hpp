// SPDX-License-Identifier: Apache-2.0
// Views of views and of tensors: pieces, and other ways to read the same elements. Nothing is copied.
//
//   columns<128, 64>(x)     [n, D]    -> [n, 64]      columns 128 ... 191; columns<64>(x, first): first of the run time
//   heads<16>(x)            [n, D]    -> [n, 16, d]   the row as 16 heads
//   join_heads(x)           [n, H, d] -> [n, H * d]   and back
//   head(x, 2)              [n, H, d] -> [n, d]       the third head of every token
//   slice(x, 3, 5)          [n, D]    -> [5, D]       tokens 3 ... 7
//   every(x, 2, 1)          [n, D]    -> [n / 2, D]   tokens 1, 3, 5 ...
//   token(x, 3)             [n, D]    -> [D]          one token
//   rows<4, 8>(w)           [N, K]    -> [8, K]       rows 4 ... 11 of a static shape
//   reshape<Shape<...>>(x)                            the same elements in the same order under other sizes
// Sizes of the run time are contracts (contract_error). transpose(x), which moves elements: expr/transpose.hpp.
#pragma once

#include <molmo/core/axes.hpp>
#include <molmo/core/contract.hpp>
#include <molmo/core/view.hpp>

namespace molmo::inline v0 {
namespace detail {

template <class V>
inline constexpr index_t stride_of = 0;
template <class T, class S, class M, index_t R, index_t O>
inline constexpr index_t stride_of<View<T, S, M, R, O>> = R;
template <class V>
inline constexpr index_t outer_of = 0;
template <class T, class S, class M, index_t R, index_t O>
inline constexpr index_t outer_of<View<T, S, M, R, O>> = O;

/// Tensors, views, expressions; not the types of others, which may have a transpose or columns of their own.
template <class X>
concept Sized = requires { typename std::remove_cvref_t<X>::shape; };

/// The view of a view or of a tensor that lives on.
template <class X>
[[nodiscard]] constexpr auto view_of_operand(X&& x) {
  using B = std::remove_cvref_t<X>;
  if constexpr (is_view<B>) {
    return x;
  } else {
    static_assert(
        requires { x.view(); },
        "molmo: columns, heads, reshape and their like cut views and tensors; store "
        "what is calculated first: on(ctx, t) = e, then cut t");
    static_assert(std::is_lvalue_reference_v<X>,
                  "molmo: this tensor is gone at the end of the line, and its views with it; give it a name");
    return x.view();
  }
}
template <class X>
using viewed = decltype(view_of_operand(std::declval<X>()));

// The elements of V under the shape S, strides and a beginning of their own; of rank <= 2, Outer is the only stride.
template <class V, class S, index_t Stride, index_t Outer, class T>
[[nodiscard]] constexpr auto lay(T* data, index_t tokens, index_t outer) {
  constexpr bool row = S::rank <= 1 && !S::dynamic;  // one row has no distance
  constexpr index_t first = row ? S::cols : Outer;
  using Y = View<T, S, typename V::memory, row || rows_per_entry<S> == 1 ? first : Stride, first>;
  if constexpr (S::dynamic && first == dyn)
    return Y(data, tokens, outer);
  else if constexpr (S::dynamic)
    return Y(data, tokens);
  else if constexpr (first == dyn)
    return Y(data, outer);
  else
    return Y(data);
}

template <class S, index_t Last>
struct WithLast {
  static constexpr Axes axes = with_last(axes_of<S>, Last);
};
template <class S, index_t First>
struct WithFirst {
  static constexpr Axes axes = with_first(axes_of<S>, First);
};
template <class S, int Axis>
struct Without {
  static constexpr Axes axes = without(axes_of<S>, Axis);
};
template <class S, index_t Count>
struct SplitLast {
  static constexpr Axes axes = split_last(axes_of<S>, Count);
};
template <class S>
struct JoinLast {
  static constexpr Axes axes = join_last(axes_of<S>);
};

// The rows under one entry of the first axis follow each other.
template <class V>
inline constexpr bool entries_dense = rows_per_entry<typename V::shape> == 1 || stride_of<V> == V::shape::cols;

}  // namespace detail

/// Columns [first, first + Count) of every row: [.., D] -> [.., Count].
template <index_t Count, detail::Sized X>
[[nodiscard]] constexpr auto columns(X&& x, index_t first) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(S::rank > 1 || !S::dynamic, "molmo: columns(x): x has one number per token and no columns");
  static_assert(Count > 0 && Count <= S::cols, "molmo: columns<Count>(x, first): x has fewer columns");
  expects(first >= 0 && first <= S::cols - Count, "molmo: columns<Count>(x, first): x has no such columns");
  using Y = detail::shape_of<detail::WithLast<S, Count>>;
  return detail::lay<V, Y, detail::stride_of<V>, detail::outer_of<V>>(v.data + first, v.tokens(), v.outer());
}
/// Columns [First, First + Count), checked while compiling.
template <index_t First, index_t Count, detail::Sized X>
[[nodiscard]] constexpr auto columns(X&& x) {
  using S = typename detail::viewed<X>::shape;
  static_assert(First >= 0 && Count > 0 && First <= S::cols - Count,
                "molmo: columns<First, Count>(x): x has no such columns");
  return columns<Count>(std::forward<X>(x), First);
}

/// The last axis as H heads: [.., H * d] -> [.., H, d].
template <index_t H, detail::Sized X>
[[nodiscard]] constexpr auto heads(X&& x) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(H > 0 && S::cols % H == 0, "molmo: heads<H>(x): H does not divide the width of x");
  static_assert(detail::entries_dense<V>, "molmo: heads<H>(x): x has heads whose rows lie apart already; cut those");
  constexpr index_t d = S::cols / H;
  using Y = detail::shape_of<detail::SplitLast<S, H>>;
  constexpr index_t outer = S::rank == 1 ? (Y::rank == 2 ? d : S::cols) : detail::outer_of<V>;
  return detail::lay<V, Y, d, outer>(v.data, v.tokens(), v.outer());
}

/// The last two axes as one: [.., H, d] -> [.., H * d].
template <detail::Sized X>
[[nodiscard]] constexpr auto join_heads(X&& x) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(S::rank > (S::dynamic ? 2 : 1), "molmo: join_heads(x): x has no axis of heads; it is [.., H, d]");
  static_assert(S::rank == 2 ? V::dense : detail::entries_dense<V>,
                "molmo: join_heads(x): the heads of x lie apart; store them first");
  using Y = detail::shape_of<detail::JoinLast<S>>;
  return detail::lay<V, Y, Y::cols, detail::outer_of<V>>(v.data, v.tokens(), v.outer());
}

/// Head h of every token: [.., H, d] -> [.., d].
template <detail::Sized X>
[[nodiscard]] constexpr auto head(X&& x, index_t h) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(S::rank > (S::dynamic ? 2 : 1),
                "molmo: head(x, h): x has no axis of heads; write head(heads<H>(x), h)");
  constexpr index_t count = detail::axes_of<S>.size[S::rank - 2];
  expects(h >= 0 && h < count, "molmo: head(x, h): x has no such head");
  using Y = detail::shape_of<detail::Without<S, S::rank - 2>>;
  constexpr index_t stride = detail::stride_of<V>;
  return detail::lay < V, Y, stride == dyn ? dyn : stride * count,
         detail::outer_of < V >> (v.data + h * v.stride(), v.tokens(), v.outer());
}

/// Tokens [first, first + count).
template <detail::Sized X>
[[nodiscard]] constexpr auto slice(X&& x, index_t first, index_t count) {
  const auto v = detail::view_of_operand(x);
  static_assert(detail::viewed<X>::shape::dynamic, "molmo: slice(x, first, count): x has no tokens; see rows<..>(x)");
  expects(first >= 0 && count >= 0 && first <= v.tokens() - count,
          "molmo: slice(x, first, count): x has no such tokens");
  return v.slice(first, count);
}

/// Tokens first, first + step, first + 2 step ...
template <detail::Sized X>
[[nodiscard]] constexpr auto every(X&& x, index_t step, index_t first = 0) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  static_assert(V::shape::dynamic, "molmo: every(x, step): x has no tokens");
  expects(step > 0 && first >= 0 && first <= v.tokens(), "molmo: every(x, step, first): x has no such tokens");
  const index_t left = v.tokens() - first;
  const index_t by = step < left ? step : (left > 0 ? left : index_t{1});  // a longer step leads to no token
  return detail::lay<V, typename V::shape, detail::stride_of<V>, dyn>(v.data + first * v.outer(), (left + by - 1) / by,
                                                                      v.outer() * by);
}

/// One token: [n, D] -> [D], [n, H, d] -> [H, d].
template <detail::Sized X>
[[nodiscard]] constexpr auto token(X&& x, index_t t) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(S::dynamic && S::rank > 1, "molmo: token(x, t): x has no tokens of several numbers");
  expects(t >= 0 && t < v.tokens(), "molmo: token(x, t): x has no such token");
  using Y = detail::shape_of<detail::Without<S, 0>>;
  constexpr index_t stride = detail::stride_of<V>;
  constexpr index_t outer = Y::rank > 2 ? stride * detail::rows_per_entry<Y> : stride;
  return detail::lay<V, Y, stride, outer>(v.data + t * v.outer(), 1, v.stride());
}

/// Entries [First, First + Count) of a static first axis: [N, K] -> [Count, K].
template <index_t First, index_t Count, detail::Sized X>
[[nodiscard]] constexpr auto rows(X&& x) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(!S::dynamic && S::rank > 1, "molmo: rows<First, Count>(x): the rows of x are tokens; see slice");
  static_assert(First >= 0 && Count > 0 && First <= detail::axes_of<S>.size[0] - Count,
                "molmo: rows<First, Count>(x): x has no such rows");
  using Y = detail::shape_of<detail::WithFirst<S, Count>>;
  return detail::lay<V, Y, detail::stride_of<V>, detail::outer_of<V>>(v.data + First * v.outer(), 1, v.outer());
}

/// The same elements in the same order under the sizes Y. Where the tokens of x lie apart, Y has as many tokens.
template <class Y, detail::Sized X>
[[nodiscard]] constexpr auto reshape(X&& x) {
  const auto v = detail::view_of_operand(x);
  using V = detail::viewed<X>;
  using S = typename V::shape;
  static_assert(is_shape<Y>, "molmo: reshape<Y>(x): Y is a Shape<...>");
  constexpr index_t from = elements_per_token<S>, to = elements_per_token<Y>;
  if constexpr (!V::dense) {
    static_assert(detail::entries_dense<V>, "molmo: reshape<Y>(x): rows of x lie apart; store them first");
    static_assert(from == to && S::rank > 1 && Y::rank > 1 && detail::axes_of<S>.size[0] == detail::axes_of<Y>.size[0],
                  "molmo: reshape<Y>(x): the tokens of x lie apart, so Y keeps the first axis of x and its elements");
    return detail::lay<V, Y, Y::cols, detail::outer_of<V>>(v.data, v.tokens(), v.outer());
  } else {
    static_assert(S::dynamic || Y::dynamic ? from % to == 0 || to % from == 0 : from == to,
                  "molmo: reshape<Y>(x): Y has another number of elements than x");
    const index_t tokens = Y::dynamic ? v.size() / to : 1;
    expects(tokens * to == v.size(), "molmo: reshape<Y>(x): Y has another number of elements than x");
    return detail::lay<V, Y, Y::cols, detail::even_outer<Y>(Y::cols)>(v.data, tokens, 0);
  }
}

}  // namespace molmo::inline v0
