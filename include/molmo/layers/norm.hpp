// SPDX-License-Identifier: Apache-2.0
// Norm: RMSNorm or LayerNorm with or without weight and bias, as a layer.
#pragma once

#include <molmo/layers/parameters.hpp>
#include <molmo/ops/layer_norm/layer_norm.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>

namespace molmo::inline v0 {

/// What a Norm is; part of its type.
struct NormShape {
  index_t width = 0;
  LayerNormType type = LayerNormType::rms;
  bool with_weight = true;
  bool with_bias = false;

  friend constexpr bool operator==(const NormShape&, const NormShape&) = default;
};

/// The rows that `a` describes, by the norm of this type; nothing is checked.
template <LayerNormType Type, class Ctx>
void norm_rows(const Ctx& ctx, const NormRows<float>& a) {
  if constexpr (Type == LayerNormType::rms)
    rms_norm_rows(ctx, a);
  else
    layer_norm_rows(ctx, a);
}

template <NormShape S>
struct Norm {
  Vector<S.width> weight;
  Vector<S.width> bias;

  template <class Visit>
  constexpr void each_parameter(Visit&& visit) {
    if constexpr (S.with_weight) visit("weight", weight);
    if constexpr (S.with_bias) visit("bias", bias);
  }

  /// A row of this norm, without its memory.
  [[nodiscard]] NormRows<float> row(double eps) const {
    return {nullptr, nullptr, 0, S.width, S.width, weight.data, bias.data, eps, NormOrder::cast_then_scale};
  }
  /// As many rows as x has tokens; y has as many. y may be x; any other overlap is a contract_error.
  template <class Ctx>
  void forward(const Ctx& ctx, View<float, Shape<dyn, S.width>> y, View<const float, Shape<dyn, S.width>> x,
               double eps) const {
    expects(y.tokens() == x.tokens(), "molmo: Norm::forward: y and x have different numbers of tokens");
    NormRows<float> a = row(eps);
    a.x = x.data, a.y = y.data, a.rows = x.tokens();
    using Call = std::conditional_t<S.type == LayerNormType::rms, detail::RmsNormCall, detail::LayerNormCall>;
    Call::rows(ctx, a);
  }
  /// In place, for rows that may lie apart, such as some columns of a wider tensor.
  template <class Ctx, index_t Stride>
  void forward(const Ctx& ctx, View<float, Shape<dyn, S.width>, Host, Stride> x, double eps) const {
    NormRows<float> a = row(eps);
    a.x = a.y = x.data, a.rows = x.tokens(), a.stride = x.stride();
    norm_rows<S.type>(ctx, a);
  }
};

}  // namespace molmo::inline v0
