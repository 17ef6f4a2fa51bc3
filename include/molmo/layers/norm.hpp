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

template <NormShape S>
struct Norm {
  Vector<S.width> weight;
  Vector<S.width> bias;

  template <class Visit>
  constexpr void each_parameter(Visit&& visit) {
    if constexpr (S.with_weight) visit("weight", weight);
    if constexpr (S.with_bias) visit("bias", bias);
  }

  /// Normalises `rows` rows of S.width floats that lie `stride` apart; y may be x.
  template <class Ctx>
  void forward(const Ctx& ctx, float* y, const float* x, index_t rows, index_t stride, double eps) const {
    const NormRows<float> a{x, y, rows, S.width, stride, weight.data, bias.data, eps, NormOrder::cast_then_scale};
    if constexpr (S.type == LayerNormType::rms)
      rms_norm_rows(ctx, a);
    else
      layer_norm_rows(ctx, a);
  }
  /// As many rows as x has tokens; y has as many. y may be x; any other overlap is a contract_error.
  template <class Ctx>
  void forward(const Ctx& ctx, View<float, Shape<dyn, S.width>> y, View<const float, Shape<dyn, S.width>> x,
               double eps) const {
    expects(y.tokens() == x.tokens(), "molmo: Norm::forward: y and x have different numbers of tokens");
    using Call = std::conditional_t<S.type == LayerNormType::rms, detail::RmsNormCall, detail::LayerNormCall>;
    Call::rows(ctx, NormRows<float>{x.data, y.data, x.tokens(), S.width, S.width, weight.data, bias.data, eps,
                                    NormOrder::cast_then_scale});
  }
};

}  // namespace molmo::inline v0
