// SPDX-License-Identifier: Apache-2.0
// The leaves of expressions: Leaf (a view), Scalar (a number), and leaf(x), which makes one of anything that may stand
// in an expression. (A third leaf, acc, is in acc.hpp.)
//
// Owners that are about to die are refused by a deleted function: an expression of a temporary would dangle.
#pragma once

#include <molmo/core/tensor.hpp>
#include <molmo/expr/broadcast.hpp>
#include <molmo/expr/kind.hpp>

#include <utility>

namespace molmo::inline v0 {

/// How an operand spreads over rows x cols.
enum class Spread : unsigned char {
  full,    ///< an element for every position
  row,     ///< one row, the same for every token
  column,  ///< one number per token
};

/// An operand with run-time width: what is left of a Leaf inside a kernel.
template <class T, Spread S>
struct Strided {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = kind_of_element<T>;
  const T* data = nullptr;
  index_t width = 0;  ///< distance between rows, in elements

  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    if constexpr (S == Spread::full)
      return at.load(data + at.row * width + at.col);
    else if constexpr (S == Spread::row)
      return at.load(data + at.col);
    else if constexpr (kind == NumberKind::boolean)
      return at.truth(data[at.row]);
    else
      return at.splat(static_cast<compute_t<T>>(data[at.row]));
  }
};

/// A view inside an expression.
template <class T, class S, class Memory, index_t Stride = detail::dense_stride<S>,
          index_t Outer = detail::EvenOuter<S, Stride>::value>
struct Leaf {
  static_assert(is_element<T>,
                "molmo: expressions read float, double, bf16, f16, bool, std::uint8_t and signed integers of 8 to 64 "
                "bits; convert other numbers yourself");
  using shape = S;
  using view_type = View<const T, S, Memory, Stride, Outer>;
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = kind_of_element<T>;
  static constexpr bool flat = view_type::dense;  ///< element i is data[i]: a pass may walk over one long row
  /// Where its rows lie beside rows of the shape Root.
  template <class Root>
  static constexpr detail::RowPlaces places =
      detail::rows_beside(detail::StridedLattice<S, Stride, Outer>::known, detail::walk_axes<Root>);
  view_type view;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return S::dynamic ? view.tokens() : index_t{-1}; }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    return at.load(view.row(at.row) + at.col);
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    constexpr bool whole = std::is_same_v<S, Root>;
    if constexpr (whole && view_type::even)
      return Strided<T, Spread::full>{view.data, view.stride()};
    else if constexpr (!whole && S::rank == 1 && S::dynamic && flat && Root::rank == 2)
      return Strided<T, Spread::column>{view.data, 1};
    else if constexpr (!whole && S::rank == 1 && !S::dynamic && S::cols == Root::cols)
      return Strided<T, Spread::row>{view.data, 0};
    else
      return detail::placed<T, Leaf, Root>(view.data, detail::lattice<S>(view.stride(), view.outer()));
  }
  template <class F>
  constexpr void each_leaf(F&& f) const {
    f(*this);
  }
};

/// A number, the same at every position. One without a decimal point is a literal: exact beside integers.
template <class T>
struct Scalar {
  using shape = Shape<>;
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = std::is_integral_v<T> ? NumberKind::literal : NumberKind::real;
  T value = 0;

  [[nodiscard]] MOLMO_HD static constexpr index_t tokens() { return -1; }
  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    return at.splat(value);
  }
  template <class Root>
  [[nodiscard]] constexpr Scalar erased() const {
    return *this;
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

template <class T, class S, class M, index_t R, index_t O>
inline constexpr bool enable_expr<Leaf<T, S, M, R, O>> = true;
template <class T>
inline constexpr bool enable_expr<Scalar<T>> = true;
template <class T, class S, class M, index_t R, index_t O>
inline constexpr AccUse acc_use<Leaf<T, S, M, R, O>> = AccUse::no;
template <class T>
inline constexpr AccUse acc_use<Scalar<T>> = AccUse::no;

/// The leaf of an operand: expressions stay as they are, views and tensors are borrowed, numbers are copied.
template <Expr E>
[[nodiscard]] constexpr E leaf(const E& e) {
  return e;
}
template <class T, class S, class M, index_t R, index_t O>
[[nodiscard]] constexpr Leaf<std::remove_const_t<T>, S, M, R, O> leaf(const View<T, S, M, R, O>& v) {
  return {v};
}
template <class T, index_t... D>
[[nodiscard]] constexpr Leaf<T, Shape<D...>, Host> leaf(const Tensor<T, D...>& t MOLMO_LIFETIMEBOUND) {
  return {t.view()};
}
template <class T, index_t... D>
void leaf(const Tensor<T, D...>&& temporary) = delete;  // its elements would be gone before the expression runs
template <class N>
  requires std::is_arithmetic_v<N>
[[nodiscard]] MOLMO_INLINE constexpr auto leaf(N number) {
  if constexpr (std::is_same_v<N, float> || std::is_same_v<N, bool>)
    return Scalar<N>{number};
  else if constexpr (std::is_floating_point_v<N>)
    return Scalar<double>{static_cast<double>(number)};
  else if constexpr (std::is_unsigned_v<N> && sizeof(N) == 8)
    return Scalar<std::uint64_t>{number};
  else
    return Scalar<std::int64_t>{number};
}

template <class T>
inline constexpr bool is_tensor = false;
template <class T, index_t... D>
inline constexpr bool is_tensor<Tensor<T, D...>> = true;

/// Has a shape: an expression, a view or a tensor.
template <class X>
concept Shaped = Expr<X> || is_view<std::remove_cvref_t<X>> || is_tensor<std::remove_cvref_t<X>>;

/// May stand beside a Shaped operand.
template <class X>
concept Operand = Shaped<X> || std::is_arithmetic_v<std::remove_cvref_t<X>>;

template <class X>
using leaf_t = std::remove_cvref_t<decltype(leaf(std::declval<X>()))>;

}  // namespace molmo::inline v0
