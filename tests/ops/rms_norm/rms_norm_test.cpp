// SPDX-License-Identifier: Apache-2.0
// RMSNorm: torch's results of every family and dtype (tests/data/golden/norms), and rows that are zero, huge or one
// element wide.
#include <molmo/core/views.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "ops/rms_norm/norm_support.hpp"

#include <limits>
#include <string_view>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

struct Rms {
  template <class Ctx, class T>
  static void rows(const Ctx& ctx, const NormRows<T>& a) {
    rms_norm_rows(ctx, a);
  }
  static double plain(const std::vector<float>& x, std::size_t i, double eps) {
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
    return static_cast<double>(x[i]) / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  }
};

}  // namespace

#if MOLMO_HAS_IO
TEMPLATE_TEST_CASE("rms_norm: torch's results and roundings on the plain loops", "[golden]", float, bf16, f16) {
  check_golden_norm<Rms, TestType>("llama_rms", NormOrder::cast_then_scale, true, false);
  check_golden_norm<Rms, TestType>("olmo2_rms", NormOrder::scale_then_cast, true, false);
}

TEST_CASE("rms_norm: the two orders of rounding differ in bf16, and neither passes for the other", "[golden]") {
  const Golden g("norms");
  const auto x = g.stored<bf16>("x.bf16");
  const auto w = g.floats("w.bf16");
  const auto want = g.stored<bf16>("olmo2_rms_eps_of_llama.bf16"), llama = g.stored<bf16>("llama_rms.bf16");
  std::vector<bf16> y(x.size());
  const auto same_as = [&](NormOrder order, const std::vector<bf16>& other) {
    rms_norm_rows(Reference{}, NormRows<bf16>{x.data(), y.data(), 8, 48, 48, w.data(), nullptr, 1e-5, order});
    int same = 0;
    for (std::size_t i = 0; i < y.size(); ++i) same += y[i].bits == other[i].bits;
    return same;
  };
  // torch's own two results differ in 62 of 384 values; its f32 sums may flip a rounding of ours here and there.
  CHECK(same_as(NormOrder::scale_then_cast, want) >= 377);
  CHECK(same_as(NormOrder::cast_then_scale, llama) >= 377);
  CHECK(same_as(NormOrder::cast_then_scale, want) <= 330);
  CHECK(same_as(NormOrder::scale_then_cast, llama) <= 330);
}
#endif

TEST_CASE("rms_norm: random rows, odd widths, hard rows") { check_norm<Rms>(); }

TEST_CASE("rms_norm: into other rows of x, or into the weight, is refused, and nothing is written") {
  Tensor<float, dyn, 8> x(6);
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const auto all = x.view();
  const View<const float, Shape<8>> second_row(x.data() + 8);
  for (const index_t shift : {1, 2}) {
    CHECK_THROWS_AS((on(Reference{}, all.slice(shift, 3)) = rms_norm(all.slice(0, 3), 1e-5)), contract_error);
    CHECK_THROWS_AS((on(Reference{}, all.slice(0, 3)) = rms_norm(all.slice(shift, 3), 1e-5)), contract_error);
  }
  CHECK_THROWS_AS((on(Reference{}, x) = rms_norm(x, second_row, 1e-5)), contract_error);
  for (index_t i = 0; i < x.size(); ++i) CHECK(x[i] == static_cast<float>(i));
  on(Reference{}, all.slice(3, 3)) = rms_norm(all.slice(0, 3), second_row, 1e-5);  // side by side
  CHECK((x[0] == 0 && x[47] != 47));
}

TEST_CASE("rms_norm: the statement, with and without a weight, in place") {
  Random random(3);
  Tensor<float, dyn, 10> x(3), y(3);
  Tensor<float, 10> w;
  for (index_t i = 0; i < 30; ++i) x[i] = random.number();
  for (index_t i = 0; i < 10; ++i) w[i] = random.number();
  on(Reference{}, y) = rms_norm(x, w, 1e-5);
  for (index_t r = 0; r < 3; ++r) {
    const std::vector<float> row(x.data() + r * 10, x.data() + r * 10 + 10);
    for (index_t c = 0; c < 10; ++c)
      CHECK(static_cast<double>(y(r, c)) == Approx(Rms::plain(row, static_cast<std::size_t>(c), 1e-5) * static_cast<double>(w[c])).epsilon(2e-7));
  }
  Tensor<float, dyn, 10> plain(3);
  on(Reference{}, plain) = rms_norm(x, 1e-5);
  on(Reference{}, x) = rms_norm(x, 1e-5);
  for (index_t i = 0; i < 30; ++i) CHECK(x[i] == plain[i]);
}

TEST_CASE("rms_norm: no epsilon at all, as some checkpoints have it") {
  Random random(4);
  for (const index_t width : {1, 7, 16, 48, 257}) {
    auto x = random.numbers(2 * width);
    for (index_t c = 0; c < width; ++c) x[static_cast<std::size_t>(width + c)] = 0;
    const std::vector<float> row(x.begin(), x.begin() + width);
    const auto check = [&](const auto& ctx) {
      std::vector<float> y(x.size());
      rms_norm_rows(ctx, NormRows<float>{x.data(), y.data(), 2, width, width, nullptr, nullptr, 0, {}});
      for (std::size_t c = 0; c < row.size(); ++c) {
        CAPTURE(width, c);
        CHECK(static_cast<double>(y[c]) == Approx(Rms::plain(row, c, 0)).epsilon(2e-6));
        CHECK(std::isnan(y[row.size() + c]));  // 0 / 0, as in torch
      }
    };
    check(Reference{});
#if MOLMO_HAS_XSIMD
    check(Xsimd<>());
#endif
  }
}

namespace {

// As in a fused projection: the norm of every head of the queries, in place, beside keys that stay. The bits of dense
// rows.
template <class T, class Ctx>
void check_heads_in_place(const Ctx& ctx, index_t n) {
  Random random(8);
  Tensor<T, dyn, 90> qkv(n);
  for (index_t i = 0; i < qkv.size(); ++i) qkv[i] = T(random.number(3));
  Tensor<float, 19> weight;
  for (index_t i = 0; i < 19; ++i) weight[i] = random.number();
  Tensor<T, dyn, 3, 19> q(n), want(n);
  const auto heads_of_q = heads<3>(columns<30, 57>(qkv));
  on(ctx, q) = heads_of_q;
  on(ctx, want) = rms_norm(q, weight, 1e-5);
  on(ctx, q) = rms_norm(heads_of_q, weight, 1e-5);
  REQUIRE_SAME_BITS(q, want);
  Tensor<T, dyn, 90> before(n);
  on(ctx, before) = qkv;
  on(ctx, heads_of_q) = rms_norm(heads_of_q, weight, 1e-5);
  for (index_t r = 0; r < n; ++r)
    for (index_t c = 0; c < 90; ++c)
      REQUIRE(qkv(r, c) == (c < 30 || c >= 87 ? before(r, c) : want[r * 57 + c - 30]));
}

}  // namespace

TEST_CASE("rms_norm of rows that lie apart; a weight between rows that are written is no overlap, one in them is") {
  check_heads_in_place<float>(Reference{}, 4);
  check_heads_in_place<double>(Reference{}, 4);
#if MOLMO_HAS_XSIMD
  for (const int threads : {1, 2, 3}) {
    check_heads_in_place<float>(Xsimd{threads}, 4);
    check_heads_in_place<float>(Xsimd{threads}, 900);
    check_heads_in_place<f16>(Xsimd{threads}, 4);
  }
#endif
  Tensor<float, 4, 30> x;
  const auto left = columns<0, 10>(x);
  on(Reference{}, left) = rms_norm(left, columns<10>(token(reshape<Shape<dyn, 30>>(x), 1), 10), 1e-5);
  CHECK_THROWS_AS((on(Reference{}, left) = rms_norm(left, columns<10>(token(reshape<Shape<dyn, 30>>(x), 1), 5), 1e-5)),
                  contract_error);
}
