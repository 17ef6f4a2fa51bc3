// SPDX-License-Identifier: Apache-2.0
// TargetRows: where the rows of a target lie, for kernels that are templates of its elements and not of its shape.
//
//   row r is at data + (r / group) * outer + (r % group) * inner: a View of core/view.hpp without its sizes
#pragma once

#include <molmo/core/view.hpp>

namespace molmo::inline v0::detail {

/// The rows of a view that is written. `outer` is the distance of all rows where group is 1.
template <class T>
struct TargetRows {
  T* data = nullptr;
  index_t group = 1, outer = 0, inner = 0;

  [[nodiscard]] MOLMO_INLINE T* row(index_t r) const {
    return group == 1 ? data + r * outer : data + r / group * outer + r % group * inner;
  }
  /// Rows of `width` elements follow each other.
  [[nodiscard]] bool dense(index_t width) const { return group == 1 && outer == width; }
};

template <class T, class S, class M, index_t R, index_t O>
[[nodiscard]] constexpr TargetRows<T> target_rows(const View<T, S, M, R, O>& y) {
  if constexpr (View<T, S, M, R, O>::even)
    return {y.data, 1, y.stride(), 0};
  else
    return {y.data, rows_per_entry<S>, y.outer(), y.stride()};
}

}  // namespace molmo::inline v0::detail
