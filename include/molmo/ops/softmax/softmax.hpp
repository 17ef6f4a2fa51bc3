// SPDX-License-Identifier: Apache-2.0
// softmax: y[r, c] = e^(x[r, c] - m_r) / sum over c of the same, m_r being the row's largest element.
//
//   on(cpu, y) = softmax(x);                  y may be x; where it overlaps x elsewhere, that is a contract_error
//   on(cpu, y) = softmax(x * scale + mask);   an expression: each row is stored in y, then changed in place
// A row whose elements are all -infinity becomes zeros. Rows are float, double, bf16 or f16; 16 bits are widened, and
// rounded once. The loop below is the meaning; its speed is in cpu.hpp.
#pragma once

#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>
#include <molmo/expr/row_statement.hpp>

#include <cmath>
#include <limits>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

template <class T>
void plain_softmax_rows(const T* x, T* y, index_t rows, index_t width) {
  using F = compute_t<T>;
  for (index_t r = 0; r < rows; ++r, x += width, y += width) {
    F largest = -std::numeric_limits<F>::infinity();
    for (index_t c = 0; c < width; ++c) largest = static_cast<F>(x[c]) > largest ? static_cast<F>(x[c]) : largest;
    if (largest == -std::numeric_limits<F>::infinity()) largest = 0;
    double total = 0;
    for (index_t c = 0; c < width; ++c) total += std::exp(static_cast<double>(x[c]) - static_cast<double>(largest));
    for (index_t c = 0; c < width; ++c) {
      const double e = std::exp(static_cast<double>(x[c]) - static_cast<double>(largest));
      y[c] = static_cast<T>(total == 0 ? F{0} : static_cast<F>(e / total));
    }
  }
}

}  // namespace detail::inline MOLMO_ISA

/// The meaning, with sums in double precision.
inline void softmax_rows(const Reference&, const float* x, float* y, index_t rows, index_t width) {
  detail::plain_softmax_rows(x, y, rows, width);
}
template <class T>
void softmax_rows(const Reference&, const T* x, T* y, index_t rows, index_t width) {
  detail::plain_softmax_rows(x, y, rows, width);
}
/// Xsimd without the header of its loop.
template <class T>
void softmax_rows(const FastCpu&, const T*, T*, index_t, index_t) {
  static_assert(detail::never<T>,
                "molmo: Xsimd has a fast softmax in <molmo/ops/softmax/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

namespace detail::inline MOLMO_ISA {

struct SoftmaxInPlace {
  template <class Y>
  void check(const Y&) const {}
  template <class Ctx, class T>
  void operator()(const Ctx& ctx, T* first, index_t rows, index_t width) const {
    softmax_rows(ctx, static_cast<const T*>(first), first, rows, width);
  }
};

template <class T, class S>
struct Softmax {
  View<const T, S> x;

  template <class Ctx, class SY>
  void run(const Ctx& ctx, View<T, SY> y) const {
    if constexpr (!std::is_same_v<S, SY>) {
      [[maybe_unused]] statement_mismatch<SY, S> wrong;
    } else {
      if constexpr (S::dynamic) expects(x.tokens() == y.tokens(), tokens_differ);
      check_rows(y.data, x.data, x.size() * static_cast<index_t>(sizeof(T)));
      softmax_rows(ctx, x.data, y.data, x.rows(), S::cols);
    }
  }
  /// Into elements of another type, or rows that lie apart, x is an expression.
  template <class Ctx, class U, class SY, index_t R, index_t O>
    requires(!std::is_same_v<T, U> || !View<U, SY, Host, R, O>::dense)
  void run(const Ctx& ctx, View<U, SY, Host, R, O> y) const {
    RowStatement<Leaf<T, S, Host>, SoftmaxInPlace>{{x}, {}}.run(ctx, y);
  }
};

}  // namespace detail::inline MOLMO_ISA

template <class T, class S>
inline constexpr bool enable_statement<detail::Softmax<T, S>> = true;

inline namespace MOLMO_ISA {

/// The softmax of every row of x, an expression, a tensor or a view. Borrows x.
template <class X>
[[nodiscard]] auto softmax(X&& x MOLMO_LIFETIMEBOUND) {
  if constexpr (Expr<X> || detail::rows_lie_apart<X>) {
    return detail::RowStatement<leaf_t<X>, detail::SoftmaxInPlace>{leaf(x), {}};
  } else {
    const auto v = detail::borrow(std::forward<X>(x));
    using V = std::remove_cvref_t<decltype(v)>;
    static_assert(is_real<typename V::element>, "molmo: softmax works on float, double, bf16 and f16");
    return detail::Softmax<typename V::element, typename V::shape>{v};
  }
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
