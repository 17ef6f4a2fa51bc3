// SPDX-License-Identifier: Apache-2.0
// row_index and column_index: at each position of the target, its row and its column, as integers from 0.
//
//   on(cpu, y) = where(column_index <= row_index, scores, -INFINITY);     y, scores: Shape<n, n>
//   on(cpu, ids) = row_index;                                             0, 1, 2 ... into Shape<dyn>
//   on(cpu, y) = cast<float>(one_hot(ids));                               y: Shape<dyn, classes>
// Rows and columns are those of core/shape.hpp: a tensor [tokens, heads, d] has tokens * heads rows of d columns,
// Shape<dyn> has rows of one element, Shape<D> is one row.
#pragma once

#include <molmo/expr/compare.hpp>

namespace molmo::inline v0 {

/// The row of the target, or the column.
template <bool Across>
struct PositionIndex {
  static constexpr const char* name = Across ? "column_index" : "row_index";
  using shape = Shape<>;
  static constexpr bool pointwise = true;
  static constexpr bool reads_position = true;
  static constexpr NumberKind kind = NumberKind::integer;

  [[nodiscard]] MOLMO_HD static constexpr index_t tokens() { return -1; }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    if constexpr (Across)
      return detail::value_t<kind, At>::count_from(at.col);
    else
      return detail::value_t<kind, At>::broadcast(at.row);
  }
  template <class Root>
  [[nodiscard]] constexpr PositionIndex erased() const {
    return {};
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

template <bool Across>
inline constexpr bool enable_expr<PositionIndex<Across>> = true;
template <bool Across>
inline constexpr AccUse acc_use<PositionIndex<Across>> = AccUse::no;

inline constexpr PositionIndex<false> row_index{};
inline constexpr PositionIndex<true> column_index{};

inline namespace MOLMO_ISA {

/// True in column ids[t] of token t and nowhere else; a row of false where the id is no column. As wide as its target.
template <Shaped Ids>
[[nodiscard]] constexpr auto one_hot(Ids&& ids) {
  using X = leaf_t<Ids>;
  static_assert(kind_of<X> == NumberKind::integer && X::shape::rank == 1 && X::shape::dynamic,
                "molmo: one_hot(ids): ids are integers, one per token: Shape<dyn>");
  return column_index == leaf(std::forward<Ids>(ids));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
