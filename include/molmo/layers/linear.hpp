// SPDX-License-Identifier: Apache-2.0
// Linear: y = x W^T (+ b), W being [Out, In] as in nn.Linear.
#pragma once

#include <molmo/layers/parameters.hpp>
#include <molmo/ops/matmul/matmul.hpp>

namespace molmo::inline v0 {

template <index_t Out, index_t In, bool Bias = false>
struct Linear {
  Weight<Shape<Out, In>> weight;
  Vector<Out> bias;

  template <class Visit>
  constexpr void each_parameter(Visit&& visit) {
    visit("weight", weight);
    if constexpr (Bias) visit("bias", bias);
  }

  /// y = x W^T + b for rows of x.
  template <class Ctx>
  void forward(const Ctx& ctx, View<float, Shape<dyn, Out>> y, View<const float, Shape<dyn, In>> x) const {
    if constexpr (Bias)
      on(ctx, y) = matmul(x, weight).then(acc + bias);
    else
      on(ctx, y) = matmul(x, weight);
  }
  /// y += x W^T + b: the residual, added as the product is stored.
  template <class Ctx>
  void add_to(const Ctx& ctx, View<float, Shape<dyn, Out>> y, View<const float, Shape<dyn, In>> x) const {
    if constexpr (Bias)
      on(ctx, y) = matmul(x, weight).then(acc + bias + y);
    else
      on(ctx, y) = matmul(x, weight).then(acc + y);
  }
};

}  // namespace molmo::inline v0
