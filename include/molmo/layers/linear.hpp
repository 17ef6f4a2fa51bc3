// SPDX-License-Identifier: Apache-2.0
// Linear: y = x W^T (+ b), W being [Out, In] as in nn.Linear.
#pragma once

#include <molmo/core/views.hpp>
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

  /// e + b, where e holds the product of this layer's weight: for matmul(x, weight).then(plus_bias(acc)).
  template <Expr E>
  [[nodiscard]] constexpr auto plus_bias(const E& e) const {
    if constexpr (Bias)
      return e + bias;
    else
      return e;
  }

  /// y = x W^T + b for rows of x.
  template <class Ctx>
  void forward(const Ctx& ctx, View<float, Shape<dyn, Out>> y, View<const float, Shape<dyn, In>> x) const {
    on(ctx, y) = matmul(x, weight).then(plus_bias(acc));
  }
  /// y += x W^T + b: the residual, added as the product is stored.
  template <class Ctx>
  void add_to(const Ctx& ctx, View<float, Shape<dyn, Out>> y, View<const float, Shape<dyn, In>> x) const {
    on(ctx, y) = matmul(x, weight).then(plus_bias(acc) + y);
  }
};

/// Outputs [First, First + Count) of a layer: one of the parts that a checkpoint keeps in one matrix.
template <index_t First, index_t Count, index_t Out, index_t In, bool Bias>
[[nodiscard]] Linear<Count, In, Bias> rows(Linear<Out, In, Bias> all) {
  Linear<Count, In, Bias> part;
  part.weight = rows<First, Count>(all.weight);
  if constexpr (Bias) part.bias = columns<First, Count>(all.bias);
  return part;
}

}  // namespace molmo::inline v0
