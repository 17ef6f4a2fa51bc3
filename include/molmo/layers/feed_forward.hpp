// SPDX-License-Identifier: Apache-2.0
// FeedForward: down(act(gate x) * up x), or down(act(up x)) where it is not gated.
//
// gate and up may be two matrices or the rows of one: ff_proj = [up; gate], up first (semantics of Molmo's swiglu).
#pragma once

#include <molmo/layers/linear.hpp>
#include <molmo/ops/swiglu/swiglu.hpp>

namespace molmo::inline v0 {

/// What a FeedForward is; part of its type.
struct FeedForwardShape {
  index_t d_model = 0, hidden = 0;
  bool gated = true;
  bool bias = false;
  bool fused = false;  ///< ff_proj instead of gate and up
  ActivationType activation = ActivationType::silu;

  friend constexpr bool operator==(const FeedForwardShape&, const FeedForwardShape&) = default;
};

template <FeedForwardShape S>
struct FeedForward {
  Linear<S.hidden, S.d_model, S.bias> gate, up;
  Linear<(S.gated ? 2 : 1) * S.hidden, S.d_model, S.bias> ff_proj;
  Linear<S.d_model, S.hidden, S.bias> down;

  template <class Visit>
  constexpr void each_parameter(Visit&& visit) {
    if constexpr (S.fused) {
      visit("ff_proj", ff_proj);
    } else {
      if constexpr (S.gated) visit("gate", gate);
      visit("up", up);
    }
    visit("down", down);
  }

  /// hidden = act(gate x) * up x, [tokens, hidden]. The block multiplies by `down` and adds the residual.
  template <class Ctx>
  void activate(const Ctx& ctx, View<float, Shape<dyn, S.hidden>> hidden,
                View<const float, Shape<dyn, S.d_model>> x) const {
    using F = activation_t<S.activation>;
    if constexpr (S.gated) {
      const Rows rows{x.data, x.tokens(), S.d_model, S.d_model};
      if constexpr (S.fused) {
        const WeightMatrix both = ff_proj.weight.matrix();
        const float* bias = ff_proj.bias.data;
        gated_multiply<F, S.bias>(ctx, rows, both.slice(S.hidden, S.hidden), both.slice(0, S.hidden),
                                  S.bias ? bias + S.hidden : nullptr, bias, hidden.data);
      } else {
        gated_multiply<F, S.bias>(ctx, rows, gate.weight.matrix(), up.weight.matrix(), gate.bias.data, up.bias.data,
                                  hidden.data);
      }
    } else {
      const auto& first = in_projection();
      if constexpr (S.bias)
        on(ctx, hidden) = matmul(x, first.weight).then(map(F{}, acc + first.bias));
      else
        on(ctx, hidden) = matmul(x, first.weight).then(map(F{}, acc));
    }
  }

 private:
  const auto& in_projection() const {
    if constexpr (S.fused)
      return ff_proj;
    else
      return up;
  }
};

}  // namespace molmo::inline v0
