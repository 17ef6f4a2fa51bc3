// SPDX-License-Identifier: Apache-2.0
// The meaning of matmul (Reference) against loops written here, the statement on(ctx, y) = matmul(x, w), and its
// epilogues.
#include <molmo/core/tensor.hpp>
#include <molmo/core/views.hpp>
#include <molmo/expr/eval.hpp>
#include <molmo/ops/matmul/matmul.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"

#include <cmath>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr index_t K = 19, N = 11;
using X = Tensor<float, dyn, K>;
using Y = Tensor<float, dyn, N>;
using W = Tensor<float, N, K>;

template <class T>
void fill(T& t, Random& random) {
  for (index_t i = 0; i < t.size(); ++i) t[i] = static_cast<typename T::element>(random.number());
}

template <class Wt>
std::vector<double> product(const X& x, const Wt& w) {
  std::vector<double> out;
  for (index_t m = 0; m < x.tokens(); ++m)
    for (index_t n = 0; n < N; ++n) {
      double sum = 0;
      for (index_t k = 0; k < K; ++k) sum += static_cast<double>(x(m, k)) * static_cast<double>(static_cast<float>(w(n, k)));
      out.push_back(sum);
    }
  return out;
}

template <class T>
struct Elements {
  const T* p;
  index_t n;
  const T* data() const { return p; }
  index_t size() const { return n; }
};
template <class T>
Elements<typename T::element> elements(const T& t) {
  return {t.data(), t.size()};
}

constexpr double one_rounding = 6e-8;  // Reference adds in double and rounds once, relative to the result

}  // namespace

TEST_CASE("matmul: Reference against double loops, in every format of weights") {
  Random random(1);
  X x(5);
  W w;
  Tensor<bf16, N, K> wb;
  Tensor<f16, N, K> wh;
  fill(x, random), fill(w, random), fill(wb, random), fill(wh, random);
  Y y(5);
  on(Reference{}, y) = matmul(x, w);
  REQUIRE_CLOSE(elements(y), product(x, w), 0, one_rounding);
  on(Reference{}, y) = matmul(x, wb);
  REQUIRE_CLOSE(elements(y), product(x, wb), 0, one_rounding);
  on(Reference{}, y) = matmul(x, wh);
  REQUIRE_CLOSE(elements(y), product(x, wh), 0, one_rounding);
  // 16-bit outputs round once more: 2^-9 and 2^-12 of the value.
  Tensor<bf16, dyn, N> yb(5);
  on(Reference{}, yb) = matmul(x, w);
  REQUIRE_CLOSE(elements(yb), product(x, w), 0, 1.0 / 256);
  Tensor<f16, dyn, N> yh(5);
  on(Reference{}, yh) = matmul(x, w);
  REQUIRE_CLOSE(elements(yh), product(x, w), 1e-7, 1.0 / 2048);
}

TEST_CASE("matmul: epilogues see the element about to be stored, its column and its place") {
  Random random(2);
  X x(4);
  W w;
  Y up(4), y(4), before(4);
  Tensor<float, N> bias;
  fill(x, random), fill(w, random), fill(up, random), fill(bias, random), fill(before, random);
  const auto p = product(x, w);
  std::vector<double> want;
  for (index_t i = 0; i < y.size(); ++i) {
    const double a = p[static_cast<std::size_t>(i)] + static_cast<double>(bias[i % N]);
    want.push_back(a / (1 + std::exp(-a)) * static_cast<double>(up[i]) + static_cast<double>(before[i]));
  }
  for (index_t i = 0; i < y.size(); ++i) y[i] = before[i];
  on(Reference{}, y) = matmul(x, w).then(silu(acc + bias) * up + y);
  REQUIRE_CLOSE(elements(y), want, 1e-6, 1e-6);  // silu in f32: a few roundings of values of size 5
}

TEST_CASE("matmul: broken contracts are refused before anything is written") {
  X x(4);
  W w;
  Y y(3);
  for (index_t i = 0; i < y.size(); ++i) y[i] = 7;
#if MOLMO_EXCEPTIONS
  CHECK_THROWS_AS((on(Reference{}, y) = matmul(x, w)), contract_error);
#endif
  for (index_t i = 0; i < y.size(); ++i) CHECK(y[i] == 7);
}

TEST_CASE("matmul: a target that overlaps x or the weights is refused, and nothing is written") {
  Random random(3);
  Tensor<float, dyn, 16> x(8), before(8);
  Tensor<float, 16, 16> w;
  fill(x, random), fill(w, random);
  on(Reference{}, before) = x * 1;
  CHECK_THROWS_AS((on(Reference{}, x) = matmul(x, w)), contract_error);
  CHECK_THROWS_AS((on(Reference{}, x.view().slice(1, 4)) = matmul(x.view().slice(0, 4), w)), contract_error);
  CHECK_THROWS_AS((on(Reference{}, x.view().slice(0, 4)) = matmul(x.view().slice(3, 4), w)), contract_error);
  CHECK_THROWS_AS((on(Reference{}, View<bf16, Shape<dyn, 16>>(reinterpret_cast<bf16*>(x.data()), 8)) = matmul(x, w)),
                  contract_error);
  CHECK_THROWS_AS((on(Reference{}, w) = matmul(View<const float, Shape<16, 16>>(w.data()), w)), contract_error);
  CHECK_THROWS_AS((on(Reference{}, View<float, Shape<dyn, 16>>(w.data() + 48, 8)) = matmul(x, w)), contract_error);
  CHECK_THROWS_AS((on(Reference{}, x) = matmul(x, w).then(acc + x)), contract_error);
  for (index_t i = 0; i < x.size(); ++i) CHECK(x[i] == before[i]);

  // Side by side in one tensor, a residual in the target, and the last weight beside the first result are fine.
  on(Reference{}, x.view().slice(4, 4)) = matmul(x.view().slice(0, 4), w);
  on(Reference{}, x.view().slice(4, 4)) = matmul(x.view().slice(0, 4), w).then(acc + x.view().slice(4, 4));
  CHECK(x[0] == before[0]);

  // Every format, in rows and in panels, whose codes and scales are two pieces of memory.
  for (int id = 0; id < Formats::size; ++id) {
    const FormatId format = static_cast<FormatId>(id);
    const PanelBytes bytes = panel_bytes(format, 16, 32);
    alignas(64) static std::byte codes[16 * 32 * 4], scales[64];
    Tensor<float, dyn, 32> in(1);
    const auto at = [](std::byte* p) { return View<float, Shape<dyn, 16>>(reinterpret_cast<float*>(p), 1); };
    WeightMatrix m{codes, format, 16, 32};
    CHECK_THROWS_AS((on(Reference{}, at(codes + 16 * m.row_bytes() - 4)) = matmul(in, Weight<Shape<16, 32>>(m))), contract_error);
    m.layout = Layout::panels, m.scales = bytes.scales ? scales : nullptr;
    CHECK_THROWS_AS((on(Reference{}, at(codes + bytes.data - 4)) = matmul(in, Weight<Shape<16, 32>>(m))), contract_error);
    if (m.scales) CHECK_THROWS_AS((on(Reference{}, at(scales)) = matmul(in, Weight<Shape<16, 32>>(m))), contract_error);
  }
}

TEST_CASE("matmul: a second epilogue goes on with what the first made") {
  Random random(4);
  X x(4);
  W w;
  Y one(4), two(4), up(4);
  Tensor<float, N> bias;
  fill(x, random), fill(w, random), fill(up, random), fill(bias, random);
  on(Reference{}, one) = matmul(x, w).then(silu(acc + bias) * up + (acc + bias));
  on(Reference{}, two) = matmul(x, w).then(acc + bias).then(silu(acc) * up + acc);
  for (index_t i = 0; i < one.size(); ++i) CHECK(one[i] == two[i]);
  on(Reference{}, one) = matmul(x, w).then(clamp(-(acc * 2), -1, 1) + up);
  on(Reference{}, two) = matmul(x, w).then(acc * 2).then(-acc).then(clamp(acc, -1, 1)).then(acc + up);
  for (index_t i = 0; i < one.size(); ++i) CHECK(one[i] == two[i]);
  on(Reference{}, two) = matmul(x, w).then(acc * 2).then(acc);
  on(Reference{}, one) = matmul(x, w).then(acc * 2);
  for (index_t i = 0; i < one.size(); ++i) CHECK(one[i] == two[i]);
}

TEST_CASE("matmul: no tokens is no work") {
  X x(0);
  W w;
  Y y(0);
  on(Reference{}, y) = matmul(x, w);
  CHECK(y.size() == 0);
}

TEST_CASE("matmul_cost: twice the multiply-adds, every byte once") {
  const WeightMatrix w{nullptr, format_id<Bf16>, 3, 5};
  CHECK(matmul_cost(7, w).flops == 2.0 * 7 * 3 * 5);
  CHECK(matmul_cost(7, w).bytes == 3.0 * 5 * 2 + 4.0 * 7 * (3 + 5));
}

TEST_CASE("rows of x and of y may lie apart; += and -= are epilogues") {
  Random random(12);
  Tensor<float, dyn, 40> wide(6);
  Tensor<float, dyn, 30> out(6);
  X x(6);
  Y y(6), start(6);
  W w;
  fill(wide, random), fill(out, random), fill(w, random), fill(start, random);
  const Reference cpu;
  on(cpu, x) = columns<7, K>(wide);
  on(cpu, y) = matmul(x, w);
  const Tensor<float, dyn, 30> before = eval(cpu, out.view() * 1);

  on(cpu, columns<5, N>(out)) = matmul(columns<7, K>(wide), w);
  for (index_t t = 0; t < 6; ++t)
    for (index_t c = 0; c < 30; ++c) CHECK(out(t, c) == (c >= 5 && c < 5 + N ? y(t, c - 5) : before(t, c)));
  const auto every_second = every(columns<7, K>(wide), 2);
  on(cpu, slice(y, 0, 3)) = matmul(every_second, w);
  for (index_t c = 0; c < N; ++c) CHECK(y(2, c) == out(4, 5 + c));

  on(cpu, y) = start;
  on(cpu, y) += matmul(x, w);
  for (index_t i = 0; i < y.size(); ++i) CHECK(y[i] == out(i / N, 5 + i % N) + start[i]);
  on(cpu, y) = start;
  on(cpu, y) -= matmul(x, w).then(acc * 2);
  for (index_t i = 0; i < y.size(); ++i) CHECK(y[i] == start[i] - out(i / N, 5 + i % N) * 2);

  // Where columns of x and y meet.
  const auto xs = columns<0, K>(wide);
  CHECK_THROWS_AS((on(cpu, columns<K - 1, N>(wide)) = matmul(xs, w)), contract_error);
}
