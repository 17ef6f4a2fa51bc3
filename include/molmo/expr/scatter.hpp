// SPDX-License-Identifier: Apache-2.0
// Rows that go to places named by ids, the reverse of gather:
//
//   scatter_add(ctx, y, ids, x)    y[ids[t]] += x[t] for t = 0, 1, ...     gradients of embeddings, sums of experts
//   scatter_add(ctx, n, ids, 1)    n: Shape<V>: how often each id occurs
//   scatter(ctx, y, ids, x)        y[ids[t]] = x[t]; of equal ids the last one stays
// x may be an expression. The rows come one after another, in order, for every number of threads: threads share columns
// (backend/xsimd.hpp), so an element is added to by one of them. In 16 bits each sum is rounded. An id that is no row
// of y is a contract_error before anything is written, and so is an operand that overlaps y.
#pragma once

#include <molmo/expr/compare.hpp>
#include <molmo/expr/row_ids.hpp>

namespace molmo::inline v0 {
namespace detail {

struct Replace {
  template <class V>
  static MOLMO_INLINE V combine(const V&, const V& x) {
    return x;
  }
};
struct AddTo {
  template <class V>
  static MOLMO_INLINE V combine(const V& old, const V& x) {
    return old + x;
  }
};

}  // namespace detail

/// The meaning: y[id[t]] = How::combine(y[id[t]], x[t]) for all columns, one row after another.
template <class Root, class How, class T, class Ids, class E>
void scatter_rows(const Reference&, How, T* y, index_t width, const Ids& id, index_t count, const E& x) {
  using F = detail::pass_t<T, E>;
  const auto flat = x.template erased<Root>();
  for (index_t t = 0; t < count; ++t) {
    T* row = y + id[t] * width;
    for (index_t c = 0; c < width; ++c) {
      const ScalarAt<F> place{t, c};  // as_stored may give a reference to it
      const auto& at = detail::as_stored<T>(place);
      row[c] = static_cast<T>(How::combine(at.load(row + c), flat.eval(at)));
    }
  }
}

namespace detail::inline MOLMO_ISA {

template <class Root, class How, class Ctx, class T, class S, class M, class Ids, class E>
void check_and_scatter(const Ctx& ctx, How how, const View<T, S, M>& y, const Ids& ids, const E& x) {
  static_assert(!std::is_const_v<T>, "molmo: the target of a scatter is read-only");
  static_assert(std::is_same_v<M, Host> && std::is_same_v<typename Ctx::memory, Host>,
                "molmo: scatter works in host memory; on a GPU it is not there yet");
  static_assert(are_ids<Ids>, "molmo: scatter(ctx, y, ids, x): ids are integers, one per row of x");
  static_assert(S::rank == 2 || S::rank == 1, "molmo: scatter(ctx, y, ids, x): y is Shape<rows, cols> or Shape<rows>");
  static_assert(std::is_same_v<broadcast_t<typename E::shape, Root>, Root>,
                "molmo: scatter(ctx, y, ids, x): x has one row per id, as wide as those of y");
  using Kept = Storable<T, kind_of<E>>;
  static_assert(
      Kept::no_truth_as_number && Kept::no_number_as_truth && Kept::no_integer_as_real && Kept::no_real_as_integer,
      "molmo: scatter(ctx, y, ids, x): x and y hold reals, or both integers, or both true and false");
  static_assert(!(std::is_same_v<How, AddTo> && std::is_same_v<T, bool>),
                "molmo: scatter_add adds numbers; of true and false use scatter");
  check_no_acc<E>();
  check_operands<Host>(x);
  check_operands<Host>(ids);
  if constexpr (Root::dynamic)
    expects(same_tokens(x.tokens(), ids.tokens()), "molmo: scatter(ctx, y, ids, x): x has not one row per id");
  const auto apart_from_y = [&](const auto& operand) {
    expects(apart(y, operand.view), "molmo: scatter(ctx, y, ids, x): y overlaps x or ids; write to another tensor");
  };
  x.each_leaf(apart_from_y);
  ids.each_leaf(apart_from_y);
  constexpr bool rows = S::rank == 2;
  check_ids(ids, rows ? y.rows() : y.size(), "molmo: scatter(ctx, y, ids, x): an id is no row of y");
  scatter_rows<Root>(ctx, how, y.data, rows ? S::cols : index_t{1}, row_ids(ids), count_of_ids(ids), x);
}

template <class How, class Ctx, class Y, class Ids, class E>
void scatter_into(const Ctx& ctx, How how, const Y& y, const Ids& ids, const E& x) {
  using S = typename Y::shape;
  using N = typename Ids::shape;
  static_assert(Y::dense, "molmo: scatter(ctx, y, ids, x): the rows of y lie apart; scatter into a tensor, then copy");
  static_assert(S::rank == 2 || N::dynamic,
                "molmo: scatter(ctx, y, ids, x): of a y of single numbers, Shape<rows>, ids are one per token, "
                "Shape<dyn>");
  constexpr index_t n = N::dynamic ? dyn : N::cols;
  if constexpr (std::is_same_v<E, Scalar<bool>> && std::is_same_v<typename Y::element, bool>)
    scatter_into(ctx, how, y, ids, as_condition(x));
  else if constexpr (S::rank == 2)
    check_and_scatter<Shape<n, S::cols>>(ctx, how, y, ids, x);
  else
    check_and_scatter<N>(ctx, how, y, ids, x);
}
template <class Y>
[[nodiscard]] auto scatter_target(Y& y) {
  if constexpr (is_view<std::remove_const_t<Y>>)
    return std::remove_const_t<Y>(y);
  else
    return y.view();
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// y[ids[t]] += x[t], in the order of t. y: a view or tensor [rows, D] or [rows]; ids: an integer for each row of x.
/// Errors: contract_error where an id is no row of y, or y overlaps an operand.
template <class Ctx, class Y, Shaped Ids, Operand X>
void scatter_add(const Ctx& ctx, Y&& y, Ids&& ids, X&& x) {
  detail::scatter_into(ctx, detail::AddTo{}, detail::scatter_target(y), leaf(std::forward<Ids>(ids)),
                       leaf(std::forward<X>(x)));
}
/// y[ids[t]] = x[t], in the order of t.
template <class Ctx, class Y, Shaped Ids, Operand X>
void scatter(const Ctx& ctx, Y&& y, Ids&& ids, X&& x) {
  detail::scatter_into(ctx, detail::Replace{}, detail::scatter_target(y), leaf(std::forward<Ids>(ids)),
                       leaf(std::forward<X>(x)));
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
