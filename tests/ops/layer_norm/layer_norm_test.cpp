// SPDX-License-Identifier: Apache-2.0
// LayerNorm: torch's results with and without weight and bias in every dtype (tests/data/golden/norms), and hard rows.
#include <molmo/ops/layer_norm/layer_norm.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "ops/rms_norm/norm_support.hpp"

#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

struct LayerNorm {
  template <class Ctx, class T>
  static void rows(const Ctx& ctx, const NormRows<T>& a) {
    layer_norm_rows(ctx, a);
  }
  static double plain(const std::vector<float>& x, std::size_t i, double eps) {
    const double n = static_cast<double>(x.size());
    double mean = 0, variance = 0;
    for (const float v : x) mean += static_cast<double>(v) / n;
    for (const float v : x) variance += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean) / n;
    return (static_cast<double>(x[i]) - mean) / std::sqrt(variance + eps);
  }
};

}  // namespace

#if MOLMO_HAS_IO
TEMPLATE_TEST_CASE("layer_norm: torch's results and roundings", "[golden]", float, bf16, f16) {
  check_golden_norm<LayerNorm, TestType>("olmo_ln", NormOrder::scale_then_cast, false, false);
  check_golden_norm<LayerNorm, TestType>("torch_ln", NormOrder::scale_then_cast, true, true);
}
#endif

TEST_CASE("layer_norm: random rows, odd widths, hard rows") { check_norm<LayerNorm>(); }

TEST_CASE("layer_norm: the statement with weight and bias, and without") {
  Random random(4);
  Tensor<float, dyn, 12> x(2), y(2), bare(2);
  Tensor<float, 12> w, b;
  for (index_t i = 0; i < 24; ++i) x[i] = random.number();
  for (index_t i = 0; i < 12; ++i) w[i] = random.number(), b[i] = random.number();
  on(Reference{}, y) = layer_norm(x, w, b, 1e-5);
  on(Reference{}, bare) = layer_norm(x, 1e-5);
  for (index_t r = 0; r < 2; ++r) {
    const std::vector<float> row(x.data() + r * 12, x.data() + r * 12 + 12);
    for (index_t c = 0; c < 12; ++c) {
      const double n = LayerNorm::plain(row, static_cast<std::size_t>(c), 1e-5);
      CHECK(static_cast<double>(bare(r, c)) == Approx(n).epsilon(2e-7));
      CHECK(static_cast<double>(y(r, c)) == Approx(n * static_cast<double>(w[c]) + static_cast<double>(b[c])).margin(1e-6));
    }
  }
}
