// SPDX-License-Identifier: Apache-2.0
// transpose(x): the last two axes of x in the other order, [N, K] -> [K, N], [n, A, B] -> [n, B, A].
//
//   on(cpu, y) = transpose(w) * 2;        y may not overlap w: its elements move
// An operand, not a view: its neighbours lie apart in memory, so they are gathered one by one. What is read more than
// once is better stored.
#pragma once

#include <molmo/core/views.hpp>
#include <molmo/expr/leaf.hpp>

namespace molmo::inline v0 {

namespace detail {

template <class S>
struct SwapLast {
  static constexpr Axes axes = swap_last(axes_of<S>);
};

}  // namespace detail

namespace detail::inline MOLMO_ISA {

constexpr Lattice swapped(Lattice l) {
  l.axes = swap_last(l.axes);
  const int last = l.axes.rank - 1;
  const index_t step = l.step[last];
  l.step[last] = l.step[last - 1];
  l.step[last - 1] = step;
  return l;
}

}  // namespace detail::inline MOLMO_ISA

/// A view with its last two axes exchanged, inside an expression.
template <class T, class S, class Memory, index_t Stride, index_t Outer>
struct Transposed {
  static_assert(is_element<T>, "molmo: transpose(x) reads what an expression reads: reals, integers and bool");
  using shape = detail::shape_of<detail::SwapLast<S>>;
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = kind_of_element<T>;
  static constexpr bool flat = false;
  static constexpr bool moves = true;  ///< element (r, c) is not read at (r, c): the target lies apart
  template <class Root>
  static constexpr detail::RowPlaces places =
      detail::rows_beside(detail::swapped(detail::StridedLattice<S, Stride, Outer>::known), detail::walk_axes<Root>);
  View<const T, S, Memory, Stride, Outer> view;

  [[nodiscard]] MOLMO_HD constexpr index_t tokens() const { return S::dynamic ? view.tokens() : index_t{-1}; }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    constexpr index_t above = detail::axes_of<S>.size[S::rank - 2];
    const auto* first = view.row(at.row / S::cols * above + at.col) + at.row % S::cols;
    return detail::load_across(at, first, view.stride());
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    return detail::placed<T, Transposed, Root>(view.data,
                                               detail::swapped(detail::lattice<S>(view.stride(), view.outer())));
  }
  template <class F>
  constexpr void each_leaf(F&& f) const {
    f(*this);
  }
};

template <class T, class S, class M, index_t R, index_t O>
inline constexpr bool enable_expr<Transposed<T, S, M, R, O>> = true;
template <class T, class S, class M, index_t R, index_t O>
inline constexpr AccUse acc_use<Transposed<T, S, M, R, O>> = AccUse::no;

namespace detail {

template <class T, class S, class M, index_t R, index_t O>
constexpr auto transposed(const View<T, S, M, R, O>& v) {
  static_assert(S::rank > (S::dynamic ? 2 : 1),
                "molmo: transpose(x) exchanges the last two axes of x, [.., A, B]; tokens stay the first axis");
  return Transposed<std::remove_const_t<T>, S, M, R, O>{v};
}

}  // namespace detail

/// The last two axes of a view or a tensor exchanged. Borrows it.
template <detail::Sized X>
[[nodiscard]] constexpr auto transpose(X&& x) {
  return detail::transposed(detail::view_of_operand(std::forward<X>(x)));
}

}  // namespace molmo::inline v0
