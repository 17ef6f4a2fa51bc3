// SPDX-License-Identifier: Apache-2.0
// The gated feed-forward's first half (Shazeer 2020): h[m, f] = act(x[m] . gate[f]) * (x[m] . up[f]), act = silu for
// SwiGLU.
//
// Two products of one x in one parallel step; the second's epilogue reads what the first stored in the same column, so
// nothing waits in between and no pass over memory is added. Works on every backend that has matmul, and is as fast as
// that. `gate_rows` may be the same memory as `y`.
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
  detail::check_product(x, gate, y, gate.rows, sizeof(float));
  detail::check_product(x, up, y, up.rows, sizeof(float));
  using Column = Strided<float, Spread::row>;
  const Strided<float, Spread::full> gated{y, gate.rows};
  if constexpr (!Bias) {
    const auto first = detail::map<F>(Acc{});
    const auto second = detail::map<detail::mul_f>(gated, Acc{});
    multiply(ctx, x, Product<float, std::remove_cvref_t<decltype(first)>>{gate, y, gate.rows, first},
             Product<float, std::remove_cvref_t<decltype(second)>>{up, y, up.rows, second});
  } else {
    const auto first = detail::map<F>(detail::map<detail::add_f>(Acc{}, Column{gate_bias, 0}));
    const auto second = detail::map<detail::mul_f>(gated, detail::map<detail::add_f>(Acc{}, Column{up_bias, 0}));
    using First = std::remove_cvref_t<decltype(first)>;
    using Second = std::remove_cvref_t<decltype(second)>;
    multiply(ctx, x, Product<float, First>{gate, y, gate.rows, first}, Product<float, Second>{up, y, up.rows, second});
  }
}

}  // namespace molmo::inline v0
