// SPDX-License-Identifier: Apache-2.0
// The gated first half of the feed-forward, every activation, with and without biases, against loops in double.
#include <molmo/ops/swiglu/swiglu.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

double activation(ActivationType a, double x) {
  switch (a) {
    case ActivationType::silu: return x / (1 + std::exp(-x));
    case ActivationType::gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case ActivationType::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case ActivationType::quick_gelu: return x / (1 + std::exp(-1.702 * x));
    case ActivationType::relu: return x > 0 ? x : 0;
  }
  return 0;
}

template <ActivationType A, class Ctx>
void check_on(const Ctx& ctx) {
  Random random(static_cast<std::uint64_t>(A) + 1);
  for (const index_t m : {1, 3, 17})
    for (const index_t f : {5, 16, 37})
      for (const bool with_bias : {false, true}) {
        constexpr index_t k = 24;
        const auto x = random.numbers(m * k), gate = random.numbers(f * k), up = random.numbers(f * k), gb = random.numbers(f), ub = random.numbers(f);
        const WeightMatrix g{reinterpret_cast<const std::byte*>(gate.data()), format_id<F32>, f, k};
        const WeightMatrix u{reinterpret_cast<const std::byte*>(up.data()), format_id<F32>, f, k};
        std::vector<float> y(static_cast<std::size_t>(m * f), std::numeric_limits<float>::quiet_NaN());
        if (with_bias)
          gated_multiply<activation_t<A>, true>(ctx, Rows{x.data(), m, k, k}, g, u, gb.data(), ub.data(), y.data());
        else
          gated_multiply<activation_t<A>, false>(ctx, Rows{x.data(), m, k, k}, g, u, nullptr, nullptr, y.data());
        std::vector<double> want;
        for (index_t r = 0; r < m; ++r)
          for (index_t c = 0; c < f; ++c) {
            double a = with_bias ? static_cast<double>(gb[static_cast<std::size_t>(c)]) : 0, b = with_bias ? static_cast<double>(ub[static_cast<std::size_t>(c)]) : 0;
            for (index_t i = 0; i < k; ++i) {
              a += static_cast<double>(x[static_cast<std::size_t>(r * k + i)]) * static_cast<double>(gate[static_cast<std::size_t>(c * k + i)]);
              b += static_cast<double>(x[static_cast<std::size_t>(r * k + i)]) * static_cast<double>(up[static_cast<std::size_t>(c * k + i)]);
            }
            want.push_back(activation(A, a) * b);
          }
        CAPTURE(static_cast<int>(A), m, f, with_bias);
        REQUIRE_CLOSE(y, want, 2e-5, 2e-6);  // both factors are sums of 24 products, below 10, with errors of 1e-6
      }
}

template <class Ctx>
void check_all(const Ctx& ctx) {
  check_on<ActivationType::silu>(ctx);
  check_on<ActivationType::gelu>(ctx);
  check_on<ActivationType::gelu_tanh>(ctx);
  check_on<ActivationType::quick_gelu>(ctx);
  check_on<ActivationType::relu>(ctx);
}

}  // namespace

TEST_CASE("gated products: the plain loops") { check_all(Reference{}); }
#if MOLMO_HAS_XSIMD
TEST_CASE("gated products: Xsimd") { check_all(Xsimd<>()); }
#endif
