// SPDX-License-Identifier: Apache-2.0
// RMSNorm (Zhang and Sennrich 2019): y = w * x / sqrt(mean(x^2) + eps), per row. Statistics are always f32 or wider.
//
//   on(cpu, y) = rms_norm(x, weight, 1e-5);           weight: one per column, or none: rms_norm(x, 1e-5)
//   on(cpu, y) = rms_norm(x + r, weight, 1e-5);       an expression: each row is stored in y, then changed in place
// For bf16 and f16 activations the families differ in what is rounded first; see NormOrder. y may be x; where it
// overlaps other rows of x, or the weight, that is a contract_error. The loop below is the meaning; its speed is in
// cpu.hpp.
#pragma once

#include <molmo/core/config.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>
#include <molmo/expr/row_statement.hpp>

#include <cmath>

namespace molmo::inline v0 {

/// Rows to normalise, `stride` elements apart; weight and bias may be null.
template <class T>
struct NormRows {
  const T* x = nullptr;
  T* y = nullptr;
  index_t rows = 0, width = 0, stride = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;
  double eps = 1e-5;
  NormOrder order = NormOrder::cast_then_scale;
};

namespace detail::inline MOLMO_ISA {

// weight and bias applied to a normalised element, with the family's roundings (none of them shows in f32).
template <class T>
T scale_norm(float n, const NormRows<T>& a, index_t c) {
  if (a.weight != nullptr) n = (a.order == NormOrder::cast_then_scale ? static_cast<float>(T(n)) : n) * a.weight[c];
  if (a.bias != nullptr) n += a.bias[c];
  return T(n);
}

}  // namespace detail::inline MOLMO_ISA

/// The meaning, with sums in double precision.
template <class T>
void rms_norm_rows(const Reference&, const NormRows<T>& a) {
  for (index_t r = 0; r < a.rows; ++r) {
    const T* x = a.x + r * a.stride;
    T* y = a.y + r * a.stride;
    double squares = 0;
    for (index_t c = 0; c < a.width; ++c) squares += static_cast<double>(x[c]) * static_cast<double>(x[c]);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(a.width) + a.eps);
    for (index_t c = 0; c < a.width; ++c)
      y[c] = detail::scale_norm(static_cast<float>(static_cast<double>(x[c]) * scale), a, c);
  }
}
/// Xsimd without the header of its loop.
template <class T>
void rms_norm_rows(const FastCpu&, const NormRows<T>&) {
  static_assert(detail::never<T>,
                "molmo: Xsimd has a fast rms_norm in <molmo/ops/rms_norm/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

namespace detail::inline MOLMO_ISA {

// y may be x, and nothing else that is read.
template <class T>
MOLMO_NOINLINE void check_norm(const NormRows<T>& a) {
  const Extent target = extent_of_rows(a.y, a.rows, a.width, a.stride, sizeof(T));
  check_rows(a.y, a.x, target.bytes);
  const index_t row = a.width * static_cast<index_t>(sizeof(float));
  expects((!a.weight || apart(target, {a.weight, row})) && (!a.bias || apart(target, {a.bias, row})),
          "molmo: on(ctx, y) = rms_norm(x, ...) or layer_norm(x, ...): y overlaps the weight or the bias; write to "
          "another tensor");
}

struct RmsNormCall {
  template <class Ctx, class T>
  static MOLMO_NOINLINE void rows(const Ctx& ctx, const NormRows<T>& a) {
    check_norm(a);
    rms_norm_rows(ctx, a);
  }
};

// What a norm reads beside its rows.
struct NormBy {
  const float* weight = nullptr;
  const float* bias = nullptr;
  double eps = 0;
  NormOrder order{};

  template <class T>
  [[nodiscard]] NormRows<T> rows(const T* x, T* y, index_t count, index_t width) const {
    return {x, y, count, width, width, weight, bias, eps, order};
  }
};

// A norm of rows that lie in y already.
template <class Call>
struct NormInPlace {
  NormBy by;

  template <class Y>
  void check(const Y& y) const {
    using Row = View<const float, Shape<Y::shape::cols>>;
    expects((!by.weight || apart(y, Row(by.weight))) && (!by.bias || apart(y, Row(by.bias))),
            "molmo: on(ctx, y) = rms_norm(e, ...) or layer_norm(e, ...): y overlaps the weight or the bias; write to "
            "another tensor");
  }
  template <class Ctx, class T>
  void operator()(const Ctx& ctx, T* first, index_t rows, index_t width) const {
    Call::rows(ctx, by.rows<T>(first, first, rows, width));
  }
};

// The statement that both norms make of an expression.
template <class Call, class E>
struct NormOf : RowStatement<E, NormInPlace<Call>> {
  static constexpr index_t width = E::shape::cols;
  NormOf(const E& rows, const NormBy& how) : RowStatement<E, NormInPlace<Call>>{rows, {how}} {}
  [[nodiscard]] NormBy& by() { return this->op.by; }

  /// For bf16 and f16: what is rounded before the product with the weight.
  [[nodiscard]] NormOf rounded(NormOrder order) const {
    NormOf other = *this;
    other.by().order = order;
    return other;
  }
};

// The statement that both norms make of a view.
template <class Call, class T, class S>
struct Norm {
  static constexpr index_t width = S::cols;
  View<const T, S> x;
  NormBy by_;

  [[nodiscard]] NormBy& by() { return by_; }
  /// For bf16 and f16: what is rounded before the product with the weight.
  [[nodiscard]] Norm rounded(NormOrder order) const {
    Norm other = *this;
    other.by_.order = order;
    return other;
  }

  template <class Ctx, class SY>
  void run(const Ctx& ctx, View<T, SY> y) const {
    if constexpr (!std::is_same_v<S, SY>) {
      [[maybe_unused]] statement_mismatch<SY, S> wrong;
    } else {
      if constexpr (S::dynamic) expects(x.tokens() == y.tokens(), tokens_differ);
      Call::rows(ctx, by_.rows<T>(x.data, y.data, x.rows(), S::cols));
    }
  }
  /// Into elements of another type, or rows that lie apart, x is an expression.
  template <class Ctx, class U, class SY, index_t R, index_t O>
    requires(!std::is_same_v<T, U> || !View<U, SY, Host, R, O>::dense)
  void run(const Ctx& ctx, View<U, SY, Host, R, O> y) const {
    NormOf<Call, Leaf<T, S, Host>>({x}, by_).run(ctx, y);
  }
};

template <index_t Width, class W>
const float* row_weight(W&& w) {
  const auto v = borrow(std::forward<W>(w));
  using R = std::remove_cvref_t<decltype(v)>;
  static_assert(std::is_same_v<typename R::shape, Shape<Width>> && std::is_same_v<typename R::element, float>,
                "molmo: the weight of a norm has one float per column of x");
  return v.data;
}

template <class Call, class X>
auto norm_of(X&& x, double eps, NormOrder order) {
  const NormBy by{nullptr, nullptr, eps, order};
  if constexpr (Expr<X> || rows_lie_apart<X>) {
    return NormOf<Call, leaf_t<X>>(leaf(x), by);
  } else {
    const auto v = borrow(std::forward<X>(x));
    using V = std::remove_cvref_t<decltype(v)>;
    static_assert(is_real<typename V::element>, "molmo: a norm works on float, double, bf16 or f16");
    return Norm<Call, typename V::element, typename V::shape>{v, by};
  }
}

}  // namespace detail::inline MOLMO_ISA

template <class C, class T, class S>
inline constexpr bool enable_statement<detail::Norm<C, T, S>> = true;
template <class C, class E>
inline constexpr bool enable_statement<detail::NormOf<C, E>> = true;

inline namespace MOLMO_ISA {

/// RMSNorm of every row of x, an expression, a tensor or a view; `weight` is a row of floats. Borrows both.
template <class X>
[[nodiscard]] auto rms_norm(X&& x MOLMO_LIFETIMEBOUND, double eps) {
  return detail::norm_of<detail::RmsNormCall>(std::forward<X>(x), eps, {});
}
template <class X, class W>
[[nodiscard]] auto rms_norm(X&& x MOLMO_LIFETIMEBOUND, W&& weight MOLMO_LIFETIMEBOUND, double eps) {
  auto n = detail::norm_of<detail::RmsNormCall>(std::forward<X>(x), eps, {});
  n.by().weight = detail::row_weight<decltype(n)::width>(std::forward<W>(weight));
  return n;
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
