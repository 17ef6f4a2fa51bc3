// SPDX-License-Identifier: Apache-2.0
// How shapes combine. Axes stand beside each other from the last one on; an axis of size 1, or one that is not there,
// spreads over the other's size. Two operands that both have tokens begin with them: there the missing axes follow.
//
//   [n, H, d]   beside   [d], [H, d], [H, 1]  (the same for every token),   [n], [n, H], [n, 1, d]
// rows_beside says where the rows of such an operand lie, seen from the rows of the walk: kernels know rows x columns.
#pragma once

#include <molmo/core/axes.hpp>
#include <molmo/expr/acc.hpp>
#include <molmo/expr/kind.hpp>

namespace molmo::inline v0 {
namespace detail {

/// Where axis i of `b` is in `a`; outside of a's axes where a spreads.
constexpr int shift_of(const Axes& a, const Axes& b) {
  const bool tokens_first = a.size[0] == dyn && b.size[0] == dyn;
  return tokens_first ? 0 : b.rank - a.rank;
}
constexpr index_t size_beside(const Axes& a, const Axes& b, int i) {
  const int j = i - shift_of(a, b);
  return j >= 0 && j < a.rank ? a.size[j] : 1;
}

/// The axes of two operands together; rank -1 where they do not fit.
constexpr Axes stretch(const Axes& a, const Axes& b) {
  const Axes& longer = a.rank > b.rank ? a : b;
  Axes both{longer.rank, {}};
  for (int i = 0; i < both.rank; ++i) {
    const index_t x = size_beside(a, longer, i), y = size_beside(b, longer, i);
    if (x != y && x != 1 && y != 1) return {-1, {}};
    both.size[i] = x == 1 ? y : x;
    if (i > 0 && both.size[i] == dyn) return {-1, {}};
  }
  return both;
}

template <class A, class B>
struct Stretch {
  static constexpr Axes axes = stretch(axes_of<A>, axes_of<B>);
};

// Does a number, or a row, of shape A stand beside shape B?
template <class A, class B>
constexpr bool spreads_over() {
  return A::rank == 0 || (A::rank == 1 && !A::dynamic && B::rank > 1 && A::cols == B::cols);
}

// The shape of two operands together; void where they do not fit. (The common ones first: they cost no calculation.)
template <class A, class B>
constexpr auto broadcast_shape() {
  if constexpr (std::is_same_v<A, B> || spreads_over<B, A>())
    return A{};
  else if constexpr (spreads_over<A, B>())
    return B{};
  else if constexpr (Stretch<A, B>::axes.rank > 0)
    return shape_of<Stretch<A, B>>{};
}

template <class A, class B>
struct Broadcast {
  using type = decltype(broadcast_shape<A, B>());
  static constexpr bool ok = !std::is_void_v<type>;
};

template <class A, class B>
using broadcast_t = typename Broadcast<A, B>::type;

/// Where an operand's axes lie in memory: its sizes and the distance, in elements, of each.
struct Lattice {
  Axes axes;
  index_t step[most_axes] = {};
};

/// Row r of the walk is the operand's row at (r / group) * outer + (r % group) * inner; there the elements are `across`
/// apart, 0 where the row is one number. `ok` is false where two distances do not say it.
struct RowPlaces {
  index_t group = 1, outer = 0, inner = 0, across = 1;
  bool ok = true;
};

}  // namespace detail

namespace detail::inline MOLMO_ISA {

/// The lattice of a view of shape S; rows of [n] have one number each.
template <class S>
constexpr Lattice lattice(index_t stride, index_t outer) {
  Lattice l{axes_of<S>, {}};
  if constexpr (S::rank == 1 && S::dynamic) l.axes = {2, {dyn, 1}};
  const int last = l.axes.rank - 1;
  if (last < 0) return l;
  l.step[last] = 1;
  if (last > 0) l.step[last - 1] = stride;
  for (int i = last - 2; i > 0; --i) l.step[i] = l.step[i + 1] * l.axes.size[i + 1];
  if (last > 0) l.step[0] = outer;
  return l;
}

constexpr RowPlaces rows_beside(const Lattice& operand, const Axes& walk) {
  const int columns = walk.rank - 1;
  index_t step[most_axes] = {};  // of the walk's axes in the operand
  for (int i = 0; i <= columns; ++i) {
    const int j = i - shift_of(operand.axes, walk);
    const bool spreads = j < 0 || j >= operand.axes.rank || (operand.axes.size[j] == 1 && walk.size[i] != 1);
    step[i] = spreads ? 0 : operand.step[j];
  }
  RowPlaces p;
  p.across = step[columns];
  bool grouped = false;
  index_t rows = 1;  // of the walk under the axis at hand
  for (int i = columns - 1; i >= 0; --i) {
    if (walk.size[i] == 1) continue;
    if (rows == 1) {
      p.outer = p.inner = step[i];
    } else if (!grouped && step[i] != p.inner * rows) {
      grouped = true;
      p.group = rows;
      p.outer = step[i];
    } else if (grouped && step[i] != p.outer * (rows / p.group)) {
      p.ok = false;
    }
    rows *= walk.size[i];  // dyn is the slowest: not read after it
  }
  return p;
}

/// The axes of the walk over the shape S.
template <class S>
inline constexpr Axes walk_axes = lattice<S>(1, 1).axes;

// Elements `across` apart, one by one: a number, a register, the end of a row.
template <class At, class T>
MOLMO_INLINE value_t<kind_of_element<T>, At> load_across(const At& at, const T* p, index_t across) {
  constexpr int n = neighbours<typename At::value>();
  if constexpr (n == 1) {
    return at.load(p);
  } else {
    using Lane = std::conditional_t<kind_of_element<T> == NumberKind::real, float, T>;
    alignas(64) Lane lane[static_cast<std::size_t>(n)] = {};
    int count = n;
    if constexpr (requires { at.count; }) count = at.count;
    for (int i = 0; i < count; ++i) lane[i] = static_cast<Lane>(p[i * across]);
    return value_t<kind_of_element<T>, At>::load(lane);
  }
}

}  // namespace detail::inline MOLMO_ISA

/// As Strided, where the rows of the walk take two distances, or an element across the row one of its own.
template <class T, bool One, bool Across>
struct Placed {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = kind_of_element<T>;
  const T* data = nullptr;
  detail::RowPlaces at_row;

  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    const T* row = data + at.row / at_row.group * at_row.outer + at.row % at_row.group * at_row.inner;
    if constexpr (One && kind == NumberKind::boolean)
      return at.truth(*row);
    else if constexpr (One)
      return at.splat(static_cast<compute_t<T>>(*row));
    else if constexpr (Across)
      return detail::load_across(at, row + at.col * at_row.across, at_row.across);
    else
      return at.load(row + at.col);
  }
};

namespace detail::inline MOLMO_ISA {

// What is known of the places while compiling: a stride of the run time stands for one that fits nothing else.
template <class S, index_t Stride, index_t Outer>
struct StridedLattice {
  static constexpr index_t late = (index_t{1} << 40) + 1;
  static constexpr Lattice known = lattice<S>(Stride == dyn ? late : Stride, Outer == dyn ? late : Outer);
};

/// The erased operand at `data`. L::places<Root> are its places as far as its type says, `now` is its lattice.
template <class T, class L, class Root>
constexpr auto placed(const T* data, const Lattice& now) {
  constexpr RowPlaces known = L::template places<Root>;
  static_assert(known.ok, "molmo: an operand spreads over axes on both sides of one that it has; store it in full");
  return Placed<T, known.across == 0, (known.across > 1)>{data, rows_beside(now, walk_axes<Root>)};
}

}  // namespace detail::inline MOLMO_ISA

}  // namespace molmo::inline v0
