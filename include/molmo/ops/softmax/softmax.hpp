// SPDX-License-Identifier: Apache-2.0
// softmax: y[r, c] = e^(x[r, c] - m_r) / sum over c of the same, m_r being the row's largest element.
//
//   on(cpu, y) = softmax(x);         y may be x; where it overlaps x elsewhere, that is a contract_error
// A row whose elements are all -infinity becomes zeros. The loop below is the meaning; its speed is in cpu.hpp.
#pragma once

#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>

#include <cmath>
#include <limits>

namespace molmo::inline v0 {

/// The meaning, with sums in double precision.
inline void softmax_rows(const Reference&, const float* x, float* y, index_t rows, index_t width) {
  for (index_t r = 0; r < rows; ++r, x += width, y += width) {
    float largest = -std::numeric_limits<float>::infinity();
    for (index_t c = 0; c < width; ++c) largest = x[c] > largest ? x[c] : largest;
    if (largest == -std::numeric_limits<float>::infinity()) largest = 0;
    double total = 0;
    for (index_t c = 0; c < width; ++c) total += std::exp(static_cast<double>(x[c]) - static_cast<double>(largest));
    for (index_t c = 0; c < width; ++c) {
      const double e = std::exp(static_cast<double>(x[c]) - static_cast<double>(largest));
      y[c] = total == 0 ? 0.0f : static_cast<float>(e / total);
    }
  }
}
/// Xsimd without the header of its loop.
template <class Late = void>
void softmax_rows(const FastCpu&, const float*, float*, index_t, index_t) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast softmax in <molmo/ops/softmax/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

namespace detail::inline MOLMO_ISA {

template <class S>
struct Softmax {
  View<const float, S> x;

  template <class Ctx, class SY>
  void run(const Ctx& ctx, View<float, SY> y) const {
    if constexpr (!std::is_same_v<S, SY>) {
      [[maybe_unused]] statement_mismatch<SY, S> wrong;
    } else {
      if constexpr (S::dynamic) expects(x.tokens() == y.tokens(), tokens_differ);
      check_rows(y.data, x.data, x.size() * static_cast<index_t>(sizeof(float)));
      softmax_rows(ctx, x.data, y.data, x.rows(), S::cols);
    }
  }
};

}  // namespace detail::inline MOLMO_ISA

template <class S>
inline constexpr bool enable_statement<detail::Softmax<S>> = true;

inline namespace MOLMO_ISA {

/// The softmax of every row of x, a tensor or a view of floats. Borrows x.
template <class X>
[[nodiscard]] auto softmax(X&& x MOLMO_LIFETIMEBOUND) {
  const auto v = detail::borrow(std::forward<X>(x));
  using V = std::remove_cvref_t<decltype(v)>;
  static_assert(std::is_same_v<typename V::element, float>, "molmo: softmax works on float");
  return detail::Softmax<typename V::shape>{v};
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
