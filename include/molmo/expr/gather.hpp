// SPDX-License-Identifier: Apache-2.0
// gather(table, ids): row ids[t] of a table for every token t, as an operand: nothing is stored in between.
//
//   on(cpu, x) = gather(embeddings, ids);                    x: Shape<dyn, D>, embeddings: Shape<V, D>, ids: Shape<dyn>
//   on(cpu, x) = gather(embeddings, ids) + gather(places, positions);
//   on(cpu, y) = x * gather(scale, ids);                     scale: Shape<V> or Shape<dyn>, a number for each id
// ids are integers, or an integer expression. An id outside the table is a contract_error before anything is written,
// and so is a table that overlaps the target: its rows move. Speed: neighbours of a row are read as registers.
#pragma once

#include <molmo/expr/row_ids.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// The rows of a table by run-time width: what is left of a Gather inside a kernel.
template <class T, bool Rows, class Ids>
struct GatheredRows {
  using shape = Shape<>;  // erased
  static constexpr bool pointwise = true;
  static constexpr NumberKind kind = kind_of_element<T>;
  const T* data = nullptr;
  index_t width = 0;
  Ids ids;  // of rows of the walk, which are those of the ids: Gather::erased

  template <class At>
  MOLMO_INLINE value_t<kind, At> eval(const At& at) const {
    const T* row = data + ids[at.row] * width;
    if constexpr (Rows)
      return at.load(row + at.col);
    else if constexpr (kind == NumberKind::boolean)
      return at.truth(*row);
    else
      return at.splat(static_cast<compute_t<T>>(*row));
  }
};

/// The table as the checks of a statement see it: memory that is nowhere in place, and ids that must lie inside.
template <class T, class Memory, class Ids>
struct GatheredTable {
  using shape = Shape<>;
  static constexpr bool moves = true;
  View<const T, Shape<dyn, 1, 1, 1>, Memory> view;
  Ids ids;
  index_t rows = 0;

  [[nodiscard]] static constexpr index_t tokens() { return -1; }
  void check() const { check_ids(ids, rows, "molmo: gather(table, ids): an id is no row of the table"); }
};

// The shape of the gathered rows.
template <class IdsShape, class TableShape>
constexpr auto gathered_shape() {
  constexpr index_t n = IdsShape::dynamic ? dyn : IdsShape::cols;
  if constexpr (TableShape::rank == 2)
    return Shape<n, TableShape::cols>{};
  else
    return Shape<n>{};
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Row ids[t] of the table.
template <class V, class Ids>
struct Gather {
  using T = typename V::element;
  using S = typename V::shape;
  using shape = decltype(detail::gathered_shape<typename Ids::shape, S>());
  static constexpr bool pointwise = true;  // the table may not overlap the target, so no index moves
  static constexpr bool reads_position = true;
  static constexpr NumberKind kind = kind_of_element<T>;
  V table;
  Ids ids;

  [[nodiscard]] constexpr index_t tokens() const { return ids.tokens(); }
  template <class At>
  MOLMO_INLINE detail::value_t<kind, At> eval(const At& at) const {
    return erased<shape>().eval(at);
  }
  template <class Root>
  [[nodiscard]] constexpr auto erased() const {
    static_assert(std::is_same_v<shape, Root> || (shape::rank == 1 && shape::dynamic && Root::rank == 2),
                  "molmo: gather(table, ids) spreads over heads or columns of y; store it first: on(ctx, t) = "
                  "gather(table, ids), then use t");
    const auto id = detail::row_ids(ids);
    return detail::GatheredRows<T, S::rank == 2, std::remove_const_t<decltype(id)>>{table.data, distance(), id};
  }
  template <class F>
  constexpr void each_leaf(F&& f) const {
    ids.each_leaf(f);
    constexpr index_t width = S::rank == 2 ? S::cols : 1;
    const index_t elements = rows() > 0 ? (rows() - 1) * distance() + width : index_t{0};
    f(detail::GatheredTable<T, typename V::memory, Ids>{{table.data, elements}, ids, rows()});
  }

 private:
  [[nodiscard]] constexpr index_t rows() const { return S::rank == 2 ? table.rows() : table.size(); }
  // From one row to the next: rows may lie apart.
  [[nodiscard]] constexpr index_t distance() const { return S::rank == 2 || S::dynamic ? table.stride() : index_t{1}; }
};

}  // namespace MOLMO_ISA

template <class V, class Ids>
inline constexpr bool enable_expr<Gather<V, Ids>> = true;
template <class V, class Ids>
inline constexpr AccUse acc_use<Gather<V, Ids>> = acc_use<Ids>;

inline namespace MOLMO_ISA {

/// Row ids[t] of the table for each token t. table: a tensor or view [rows, D], or of single numbers [rows]; ids: one
/// integer per token. Errors: contract_error where an id is no row of the table.
template <Shaped Table, Shaped Ids>
[[nodiscard]] constexpr auto gather(Table&& table, Ids&& ids) {
  using L = leaf_t<Table>;
  using X = leaf_t<Ids>;
  if constexpr (!requires(const L& table_leaf) { table_leaf.view; }) {
    static_assert(detail::never<L>,
                  "molmo: gather(table, ids): the table is a tensor or a view; store what is "
                  "calculated first: on(ctx, t) = e, then use t");
  } else {
    using V = decltype(L::view);
    static_assert(detail::are_ids<X>, "molmo: gather(table, ids): ids are integers, one per token: Shape<dyn>");
    static_assert(L::shape::rank == 2 || (L::shape::rank == 1 && X::shape::dynamic),
                  "molmo: gather(table, ids): the table is Shape<rows, cols>, or Shape<rows> beside ids per token");
    static_assert(std::is_same_v<typename V::memory, Host>,
                  "molmo: gather(table, ids) reads host memory; on a GPU it is not there yet");
    return Gather<V, X>{leaf(std::forward<Table>(table)).view, leaf(std::forward<Ids>(ids))};
  }
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
