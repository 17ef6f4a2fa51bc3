// SPDX-License-Identifier: Apache-2.0
// cumsum: y[r, c] = e[r, 0] + ... + e[r, c], the running sum along each row.
//
//   on(cpu, y) = cumsum(x);          y may be x
// The running sum is kept in double and each element is rounded to y's type once; a row belongs to one thread. From the
// first NaN on a row is NaN. e itself is rounded to y's type before it is added (row_statement.hpp): give y the type of
// what is summed, or a wider one.
#pragma once

#include <molmo/expr/row_statement.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

struct RunningSum {
  template <class Y>
  void check(const Y&) const {}
  template <class Ctx, class T>
  void operator()(const Ctx&, T* row, index_t rows, index_t width) const {
    for (; rows > 0; --rows, row += width) {
      double total = 0;
      for (index_t c = 0; c < width; ++c) {
        total += static_cast<double>(row[c]);
        row[c] = narrowed<T>(total);
      }
    }
  }

 private:
  // (bf16 and f16 are made of floats.)
  template <class T>
  static T narrowed(double x) {
    if constexpr (sizeof(T) == 2)
      return T(static_cast<float>(x));
    else
      return static_cast<T>(x);
  }
};

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Statement: the running sum along each row of an expression, a view or a tensor; y is shaped like it.
template <Shaped X>
[[nodiscard]] auto cumsum(X&& x) {
  using E = leaf_t<X>;
  static_assert(E::shape::rank > 1 || !E::shape::dynamic,
                "molmo: cumsum(e) runs along rows [n, D] or a vector [D]; e is a column");
  return detail::RowStatement<E, detail::RunningSum>{leaf(std::forward<X>(x)), {}};
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
