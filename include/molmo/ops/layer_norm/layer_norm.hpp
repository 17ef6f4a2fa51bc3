// SPDX-License-Identifier: Apache-2.0
// LayerNorm (Ba et al. 2016): y = w * (x - mean) / sqrt(var + eps) + b, per row, var being divided by the width
// (biased).
//
//   on(cpu, y) = layer_norm(x, weight, bias, 1e-5);   or layer_norm(x, 1e-5), as OLMo-1 does: no weight, no bias
//   on(cpu, y) = layer_norm(x + r, 1e-5);             an expression: each row is stored in y, then changed in place
// Statistics are always f32 or wider. y may be x; where it overlaps other rows of x, the weight or the bias, that is a
// contract_error. The loop below is the meaning; its speed is in cpu.hpp.
#pragma once

#include <molmo/ops/rms_norm/rms_norm.hpp>

namespace molmo::inline v0 {

/// The meaning, with sums in double precision.
template <class T>
void layer_norm_rows(const Reference&, const NormRows<T>& a) {
  const double width = static_cast<double>(a.width);
  for (index_t r = 0; r < a.rows; ++r) {
    const T* x = a.x + r * a.stride;
    T* y = a.y + r * a.stride;
    double mean = 0, variance = 0;
    for (index_t c = 0; c < a.width; ++c) mean += static_cast<double>(x[c]);
    mean /= width;
    for (index_t c = 0; c < a.width; ++c)
      variance += (static_cast<double>(x[c]) - mean) * (static_cast<double>(x[c]) - mean);
    const double scale = 1.0 / std::sqrt(variance / width + a.eps);
    for (index_t c = 0; c < a.width; ++c)
      y[c] = detail::scale_norm(static_cast<float>((static_cast<double>(x[c]) - mean) * scale), a, c);
  }
}
/// Xsimd without the header of its loop.
template <class T>
void layer_norm_rows(const FastCpu&, const NormRows<T>&) {
  static_assert(detail::never<T>,
                "molmo: Xsimd has a fast layer_norm in <molmo/ops/layer_norm/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

namespace detail::inline MOLMO_ISA {

struct LayerNormCall {
  template <class Ctx, class T>
  static MOLMO_NOINLINE void rows(const Ctx& ctx, const NormRows<T>& a) {
    check_norm(a);
    layer_norm_rows(ctx, a);
  }
};

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// LayerNorm of every row of x, an expression, a tensor or a view; weight and bias are rows of floats. Borrows all of
/// them. In bf16 and f16, PyTorch rounds once, at the end: NormOrder::scale_then_cast.
template <class X>
[[nodiscard]] auto layer_norm(X&& x MOLMO_LIFETIMEBOUND, double eps) {
  return detail::norm_of<detail::LayerNormCall>(std::forward<X>(x), eps, NormOrder::scale_then_cast);
}
template <class X, class W>
[[nodiscard]] auto layer_norm(X&& x MOLMO_LIFETIMEBOUND, W&& weight MOLMO_LIFETIMEBOUND, double eps) {
  auto n = detail::norm_of<detail::LayerNormCall>(std::forward<X>(x), eps, NormOrder::scale_then_cast);
  n.by().weight = detail::row_weight<decltype(n)::width>(std::forward<W>(weight));
  return n;
}
template <class X, class W, class B>
[[nodiscard]] auto layer_norm(X&& x MOLMO_LIFETIMEBOUND, W&& weight MOLMO_LIFETIMEBOUND, B&& bias MOLMO_LIFETIMEBOUND,
                              double eps) {
  auto n = detail::norm_of<detail::LayerNormCall>(std::forward<X>(x), eps, NormOrder::scale_then_cast);
  n.by().weight = detail::row_weight<decltype(n)::width>(std::forward<W>(weight));
  n.by().bias = detail::row_weight<decltype(n)::width>(std::forward<B>(bias));
  return n;
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
