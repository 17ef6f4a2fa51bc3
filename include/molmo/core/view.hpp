// SPDX-License-Identifier: Apache-2.0
// View<T, Shape, Memory>: borrowed elements. One pointer, plus one length when the shape has the token axis.
//
// The sizes are in the type, so a view of static shape is as cheap as a pointer and may be a CUDA kernel argument.
// Memory (Host or Device) is in the type too: host code cannot be handed device data by mistake.
//
// Elements of a row stand side by side; rows may lie apart. Row r of a view of shape [n, H, d] begins at element
//   (r / H) * Outer + (r % H) * Stride          in [n, d]:  r * Stride
// By default every row follows the one before. core/views.hpp makes the other views: columns, heads, every ...
#pragma once

#include <molmo/core/shape.hpp>

#include <type_traits>

namespace molmo::inline v0 {

struct Host {};    ///< memory the CPU reads
struct Device {};  ///< memory of a GPU

namespace detail {

template <bool Dynamic>
struct TokenCount {
  index_t tokens_ = 0;
  MOLMO_HD constexpr index_t tokens() const { return tokens_; }
};
template <>
struct TokenCount<false> {
  MOLMO_HD static constexpr index_t tokens() { return 1; }
};

template <index_t Outer>
struct OuterStride {
  MOLMO_HD static constexpr index_t outer() { return Outer; }
};
template <>
struct OuterStride<dyn> {
  index_t outer_ = 0;
  MOLMO_HD constexpr index_t outer() const { return outer_; }
};

/// Rows under one entry of the first axis: H in [n, H, d], 1 in [n, d].
template <class S>
inline constexpr index_t rows_per_entry = 1;
template <index_t First, index_t Second, index_t... Rest>
inline constexpr index_t rows_per_entry<Shape<First, Second, Rest...>> =
    (Second * ... * Rest) / Shape<First, Second, Rest...>::cols;

/// The distance between rows that follow each other, and between entries of the first axis whose rows are evenly apart.
template <class S>
inline constexpr index_t dense_stride = 1;
template <index_t... D>
inline constexpr index_t dense_stride<Shape<D...>> = Shape<D...>::cols;
template <class S>
constexpr index_t even_outer(index_t stride) {
  return stride == dyn ? dyn : stride * rows_per_entry<S>;
}
/// The same for a default argument: nvcc does not calculate a call there where S depends on a pack.
template <class S, index_t Stride>
struct EvenOuter {
  static constexpr index_t value = even_outer<S>(Stride);
};

}  // namespace detail

/// Elements somewhere else, row-major, last axis fastest. T may be const. Stride is the distance between rows, Outer
/// the one between entries of the first axis, in elements. The distance of the first axis may be `dyn`: then it is a
/// number of the view.
template <class T, class S, class Memory = Host, index_t Stride = detail::dense_stride<S>,
          index_t Outer = detail::EvenOuter<S, Stride>::value>
struct View : detail::TokenCount<S::dynamic>, detail::OuterStride<Outer> {
  static_assert(is_shape<S>, "molmo: the second argument of View is a Shape<...>");
  static_assert((Stride > 0 || Stride == dyn) && (Outer > 0 || Outer == dyn),
                "molmo: the strides of a View are positive, or molmo::dyn");
  static_assert(detail::rows_per_entry<S> > 1 ? Stride != dyn : Stride == Outer,
                "molmo: a View of this shape has one stride, that of its first axis; only that one may be molmo::dyn");
  using element = std::remove_const_t<T>;
  using shape = S;
  using memory = Memory;

  /// Every row is evenly apart from the next: row r begins at r * stride().
  static constexpr bool even = Outer == detail::even_outer<S>(Stride);
  /// Every row follows the one before: element i is data[i].
  static constexpr bool dense = even && Stride == S::cols;

  T* data = nullptr;

  View() = default;
  /// A view of static shape.
  MOLMO_HD constexpr explicit View(T* first)
    requires(!S::dynamic && Outer != dyn)
      : data(first) {}
  /// A view of `tokens` tokens.
  MOLMO_HD constexpr View(T* first, index_t tokens)
    requires(S::dynamic && Outer != dyn)
      : detail::TokenCount<true>{tokens}, data(first) {}
  /// A view of static shape whose entries of the first axis lie `outer` elements apart.
  MOLMO_HD constexpr View(T* first, index_t outer)
    requires(!S::dynamic && Outer == dyn)
      : detail::OuterStride<dyn>{outer}, data(first) {}
  /// A view of `tokens` tokens that lie `outer` elements apart.
  MOLMO_HD constexpr View(T* first, index_t tokens, index_t outer)
    requires(S::dynamic && Outer == dyn)
      : detail::TokenCount<true>{tokens}, detail::OuterStride<dyn>{outer}, data(first) {}
  /// A view of T is a view of const T.
  template <class U>
    requires(std::is_same_v<const U, T> && !std::is_const_v<U>)
  MOLMO_HD constexpr View(const View<U, S, Memory, Stride, Outer>& other)
      : detail::TokenCount<S::dynamic>(other), detail::OuterStride<Outer>(other), data(other.data) {}

  [[nodiscard]] MOLMO_HD constexpr index_t rows() const { return this->tokens() * S::static_rows; }
  [[nodiscard]] MOLMO_HD static constexpr index_t cols() { return S::cols; }
  [[nodiscard]] MOLMO_HD constexpr index_t size() const { return rows() * S::cols; }
  /// The distance between rows under one entry of the first axis; in [n, d] between all rows.
  [[nodiscard]] MOLMO_HD constexpr index_t stride() const {
    if constexpr (Stride == dyn)
      return this->outer();
    else
      return Stride;
  }
  [[nodiscard]] MOLMO_HD constexpr T* row(index_t r) const {
    if constexpr (even)
      return data + r * stride();
    else
      return data + r / detail::rows_per_entry<S> * this->outer() + r % detail::rows_per_entry<S> * Stride;
  }
  /// Element i in memory.
  [[nodiscard]] MOLMO_HD constexpr T& operator[](index_t i) const
    requires dense
  {
    return data[i];
  }
  [[nodiscard]] MOLMO_HD constexpr T& operator()(index_t r, index_t c) const { return row(r)[c]; }

  /// Tokens [first, first + count); the caller keeps the range inside the view.
  [[nodiscard]] MOLMO_HD constexpr View slice(index_t first, index_t count) const
    requires(S::dynamic)
  {
    View part = *this;
    part.tokens_ = count;
    part.data = data + first * this->outer();
    return part;
  }
};

template <class T>
inline constexpr bool is_view = false;
template <class T, class S, class M, index_t R, index_t O>
inline constexpr bool is_view<View<T, S, M, R, O>> = true;

}  // namespace molmo::inline v0
