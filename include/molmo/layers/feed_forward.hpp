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
    constexpr activation_t<S.activation> act;
    if constexpr (S.gated) {
      const auto [g, u] = gate_and_up();
      on(ctx, hidden) = matmul(x, g.weight, u.weight).then(map(act, g.plus_bias(acc0)) * u.plus_bias(acc1));
    } else {
      const auto& u = S.fused ? ff_proj : up;
      on(ctx, hidden) = matmul(x, u.weight).then(map(act, u.plus_bias(acc)));
    }
  }

 private:
  struct GateAndUp {
    Linear<S.hidden, S.d_model, S.bias> gate, up;
  };
  [[nodiscard]] GateAndUp gate_and_up() const {
    if constexpr (S.fused)
      return {rows<S.hidden, S.hidden>(ff_proj), rows<0, S.hidden>(ff_proj)};
    else
      return {gate, up};
  }
};

}  // namespace molmo::inline v0
