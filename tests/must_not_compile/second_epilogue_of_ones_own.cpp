// SPDX-License-Identifier: Apache-2.0
// In a second epilogue, acc becomes what the first one made; an expression of one's own has to say whether it reads acc.
// expect: molmo: .then\(a\).then\(b\): it is not known whether your own expression in b reads acc
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

// The number of the column.
struct Columns {
  using shape = molmo::Shape<16>;
  static constexpr bool pointwise = true;
  static constexpr molmo::index_t tokens() { return -1; }
  template <class At>
  typename At::value eval(const At& at) const {
    return at.splat(static_cast<float>(at.col));
  }
  template <class Root>
  constexpr Columns erased() const {
    return *this;
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};
template <>
inline constexpr bool molmo::enable_expr<Columns> = true;
#ifndef MOLMO_MISTAKE
template <>
inline constexpr molmo::AccUse molmo::acc_use<Columns> = molmo::AccUse::no;
#endif

void run(molmo::View<float, molmo::Shape<dyn, 16>> y, molmo::View<const float, molmo::Shape<dyn, 32>> x,
         molmo::Weight<molmo::Shape<16, 32>> w) {
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(molmo::acc * 2).then(molmo::acc + Columns{});
}
