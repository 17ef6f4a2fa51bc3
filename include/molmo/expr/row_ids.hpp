// SPDX-License-Identifier: Apache-2.0
// The ids of gather and scatter: an integer expression of one id per token (Shape<dyn>) or per row (Shape<n>), read one
// at a time as 64-bit integers, and all of them checked before anything is read or written at their places.
#pragma once

#include <molmo/expr/assign.hpp>

namespace molmo::inline v0::detail {

template <class E>
inline constexpr bool are_ids = kind_of<E> == NumberKind::integer && E::shape::rank == 1;

template <class E>
[[nodiscard]] index_t count_of_ids(const E& ids) {
  if constexpr (E::shape::dynamic)
    return ids.tokens();
  else
    return E::shape::cols;
}

inline namespace MOLMO_ISA {

/// The id of row t; E is erased, PerToken tells that its shape was Shape<dyn>.
template <bool PerToken, bool InDouble, class E>
struct RowIds {
  E ids;

  MOLMO_INLINE std::int64_t operator[](index_t t) const {
    const IntegerAt<ScalarAt<std::conditional_t<InDouble, double, float>>> at{{PerToken ? t : 0, PerToken ? 0 : t}};
    return ids.eval(at)[0];
  }
};

template <class E>
[[nodiscard]] constexpr auto row_ids(const E& ids) {
  const auto flat = ids.template erased<typename E::shape>();
  return RowIds<E::shape::dynamic, has_double<E>(), std::remove_const_t<decltype(flat)>>{flat};
}

/// Every id is a row: 0 <= id < rows; else contract_error.
template <class E>
void check_ids(const E& ids, index_t rows, const char* what) {
  const auto id = row_ids(ids);
  const index_t count = count_of_ids(ids);
  bool inside = true;
  for (index_t t = 0; t < count; ++t) inside = inside && id[t] >= 0 && id[t] < rows;
  expects(inside, what);
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0::detail
