// SPDX-License-Identifier: Apache-2.0
// Does an expression have a reduction of rows among its operands?   x * rsqrt(mean(x * x) + eps)
//
// Such an expression reads a whole row before it stores the first element of it, so it is no pointwise expression and
// is calculated row by row (row_reduce.hpp). All others never get beyond the question E::pointwise.
#pragma once

#include <molmo/core/view.hpp>

#include <type_traits>
#include <utility>

namespace molmo::inline v0::detail {

template <class S>
struct LastAxis1;
template <index_t... D>
struct LastAxis1<Shape<D...>> {
  template <std::size_t... At>
  static Shape<(At + 1 == sizeof...(D) ? index_t{1} : D)...> of(std::index_sequence<At...>);
  using type = decltype(of(std::make_index_sequence<sizeof...(D)>{}));
};
/// S with its last axis 1: one number for each of its rows.
template <class S>
using last_axis_1 = typename LastAxis1<S>::type;

/// True for the node of a row reduction itself, before and after it was erased (row_reduce.hpp).
template <class E>
inline constexpr bool is_row_reduction = false;

template <class E>
constexpr bool find_row_reduction() {
  bool any = is_row_reduction<E>;
  if constexpr (requires(E e) { e.a; }) any = any || find_row_reduction<decltype(E::a)>();
  if constexpr (requires(E e) { e.b; }) any = any || find_row_reduction<decltype(E::b)>();
  if constexpr (requires(E e) { e.c; }) any = any || find_row_reduction<decltype(E::c)>();
  return any;
}

template <class E>
constexpr bool has_row_reduction() {
  if constexpr (E::pointwise)
    return false;
  else
    return find_row_reduction<E>();
}

// True where e at row r reads its operands in row r only: what may be stored row by row into one of them.
template <class E>
constexpr bool row_local() {
  if constexpr (E::pointwise) {
    return true;
  } else {
    bool all = has_row_reduction<E>();
    if constexpr (requires(E e) { e.a; }) all = all && row_local<decltype(E::a)>();
    if constexpr (requires(E e) { e.b; }) all = all && row_local<decltype(E::b)>();
    if constexpr (requires(E e) { e.c; }) all = all && row_local<decltype(E::c)>();
    return all;
  }
}

// y = e for an e with row reductions, checks included; defined in row_reduce.hpp, which every such e has included.
template <class Ctx, class Y, class E>
void assign_by_rows(const Ctx& ctx, const Y& y, const E& e);

}  // namespace molmo::inline v0::detail
