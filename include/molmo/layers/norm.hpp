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
  template <class Ctx>
  void forward(const Ctx& ctx, View<float, Shape<dyn, S.width>> y, View<const float, Shape<dyn, S.width>> x,
               double eps) const {
    forward(ctx, y.data, x.data, x.tokens(), S.width, eps);
  }
};

}  // namespace molmo::inline v0
