// SPDX-License-Identifier: Apache-2.0
// The gated feed-forward's first half (Shazeer 2020): h[m, f] = act(x[m] . gate[f]) * (x[m] . up[f]), act = silu for
// SwiGLU. As a statement, with the activation that a configuration names:
//
//   on(cpu, h) = matmul(x, gate, up).then(map(activation_t<A>{}, acc0) * acc1);
// gated_multiply below is the same for matrices whose sizes are known at run time, and runs the same kernels.
#pragma once

#include <molmo/core/config.hpp>
#include <molmo/ops/matmul/matmul.hpp>

namespace molmo::inline v0 {

namespace detail::inline MOLMO_ISA {

template <ActivationType A>
struct ActivationFunction {
  using type = silu_f;
};
template <>
struct ActivationFunction<ActivationType::gelu> {
  using type = gelu_f;
};
template <>
struct ActivationFunction<ActivationType::gelu_tanh> {
  using type = gelu_tanh_f;
};
template <>
struct ActivationFunction<ActivationType::quick_gelu> {
  using type = quick_gelu_f;
};
template <>
struct ActivationFunction<ActivationType::relu> {
  using type = relu_f;
};

}  // namespace detail::inline MOLMO_ISA

/// The pointwise function of an activation.
template <ActivationType A>
using activation_t = typename detail::ActivationFunction<A>::type;

/// y = F(x gate^T + gate_bias) * (x up^T + up_bias), [x.m][gate.rows] floats; the biases are read where Bias is true.
/// y overlaps neither x nor the weights (contract_error).
template <class F, bool Bias, class Ctx>
void gated_multiply(const Ctx& ctx, const Rows& x, const WeightMatrix& gate, const WeightMatrix& up,
                    [[maybe_unused]] const float* gate_bias, [[maybe_unused]] const float* up_bias, float* y) {
  using namespace detail;
  using Column = Strided<float, Spread::row>;
  const Product<float, Acc> first{gate, y, gate.rows, acc};
  const Strided<float, Spread::full> waiting{y, gate.rows};  // the first product
  const auto join = [&](const auto& e) {
    multiply_joined(ctx, x, first, Product<float, std::remove_cvref_t<decltype(e)>>{up, y, up.rows, e});
  };
  if constexpr (Bias)
    join(map<mul_f>(map<F>(map<add_f>(waiting, Column{gate_bias, 0})), map<add_f>(acc, Column{up_bias, 0})));
  else
    join(map<mul_f>(map<F>(waiting), acc));
}

}  // namespace molmo::inline v0
