// SPDX-License-Identifier: Apache-2.0
// on(cuda, y) = e against the plain loops, for every tail, misaligned operands, broadcasting and element types. Needs a
// GPU.
#include <molmo/cuda.cuh>
#include <molmo/expr/gradient.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

// Numbers on the GPU, `shift` elements after an aligned address.
template <class T>
class OnDevice {
 public:
  OnDevice(const Cuda& cuda, Numbers<T>& host, index_t shift = 0)
      : shift_(shift), size_(host.size()), tensor_(or_throw(DeviceTensor<T, dyn>::make(host.size() + shift))) {
    or_throw(copy(cuda, view(), host.tokens()));
  }
  [[nodiscard]] View<T, Shape<dyn>, Device> view() { return tensor_.view().slice(shift_, size_); }
  template <index_t... D>
  [[nodiscard]] View<T, Shape<dyn, D...>, Device> tokens() {
    return {view().data, size_ / (index_t{1} * ... * D)};
  }
  template <index_t... D>
  [[nodiscard]] View<T, Shape<D...>, Device> fixed() {
    return View<T, Shape<D...>, Device>(view().data);
  }
  void back(const Cuda& cuda, Numbers<T>& host) {
    or_throw(copy(cuda, host.tokens(), view()));
    or_throw(cuda.synchronize());
  }

 private:
  index_t shift_, size_;
  DeviceTensor<T, dyn> tensor_;
};

template <class T>
double worst_difference(const Numbers<T>& a, const Numbers<T>& b) {
  double worst = 0;
  for (index_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    const double d = std::fabs(x - y) / (std::fabs(x) + 1e-3);
    worst = d > worst || std::isnan(d) ? d : worst;
  }
  return worst;
}

template <class Out, class In>
void check_residual(const Cuda& cuda, index_t n, index_t shift, double allowed) {
  Numbers<In> x(n, 1), gate(n, 2), up(n, 3);
  Numbers<Out> y(n), want(n);
  OnDevice<In> dx(cuda, x, shift), dgate(cuda, gate, shift), dup(cuda, up, shift);
  OnDevice<Out> dy(cuda, y, shift);
  on(cuda, dy.tokens()) = dx.tokens() + silu(dgate.tokens()) * dup.tokens();
  dy.back(cuda, y);
  on(Reference{}, want.tokens()) = x.tokens() + silu(gate.tokens()) * up.tokens();
  INFO("n = " << n << ", shift " << shift);
  CHECK(worst_difference(y, want) <= allowed);
}

}  // namespace

TEST_CASE("cuda: residual + SwiGLU, every tail, aligned and not") {
  const Cuda cuda = or_throw(Cuda::make());
  std::vector<index_t> sizes = {255, 256, 257, 4096, 65537, 1000000};
  for (index_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for (const index_t n : sizes)
    for (const index_t shift : {0, 1, 4}) {
      check_residual<float, float>(cuda, n, shift, 1e-5);
      check_residual<bf16, bf16>(cuda, n, shift, 8e-3);
      check_residual<f16, float>(cuda, n, shift, 1e-3);
      check_residual<float, f16>(cuda, n, shift, 1e-5);
      check_residual<double, double>(cuda, n, shift, 1e-12);
    }
}

TEST_CASE("cuda: rows, columns and scalars broadcast") {
  const Cuda cuda = or_throw(Cuda::make());
  const auto check = [&]<index_t D>(std::integral_constant<index_t, D>, index_t tokens) {
    Numbers<float> x(tokens * D, 4), row(D, 5), column(tokens, 6), y(tokens * D), want(tokens * D);
    OnDevice<float> dx(cuda, x), drow(cuda, row), dcolumn(cuda, column, 1), dy(cuda, y);
    on(cuda, dy.tokens<D>()) = (dx.tokens<D>() - dcolumn.tokens()) * drow.template fixed<D>() + 0.5;
    dy.back(cuda, y);
    on(Reference{}, want.tokens<D>()) = (x.tokens<D>() - column.tokens()) * row.fixed<D>() + 0.5;
    INFO(tokens << " x " << D);
    CHECK(worst_difference(y, want) < 1e-5);
  };
  check(std::integral_constant<index_t, 1>{}, 5);
  check(std::integral_constant<index_t, 7>{}, 33);
  check(std::integral_constant<index_t, 64>{}, 1);
  check(std::integral_constant<index_t, 64>{}, 1000);
  check(std::integral_constant<index_t, 129>{}, 600);
  check(std::integral_constant<index_t, 8192>{}, 40);
}

TEST_CASE("cuda: every function") {
  const Cuda cuda = or_throw(Cuda::make());
  constexpr index_t n = 4099;
  Numbers<float> x(n, 7), y(n), want(n);
  for (index_t i = 0; i < n; ++i) x[i] = std::fabs(x[i]) + 0.01f;
  OnDevice<float> dx(cuda, x), dy(cuda, y);
  const auto check = [&](const char* name, auto f) {
    on(cuda, dy.tokens()) = f(dx.tokens());
    dy.back(cuda, y);
    on(Reference{}, want.tokens()) = f(x.tokens());
    INFO(name);
    CHECK(worst_difference(y, want) < 1e-5);
  };
  check("exp, tanh, erf", [](auto v) { return exp(-v) + tanh(v) * erf(v); });
  check("sqrt, rsqrt, abs, square", [](auto v) { return sqrt(v) + rsqrt(v) - abs(-v) * square(v); });
  check("sigmoid, gelu", [](auto v) { return sigmoid(v) * gelu(v); });
  check("gelu_tanh, quick_gelu", [](auto v) { return gelu_tanh(v) - quick_gelu(-v); });
  check("a gradient", [](auto v) { return gradient(silu(v) * exp(-v) + pow(v, 1.5), 2, v); });
  check("log, log1p, exp2, expm1", [](auto v) { return log(v) * log1p(v) + exp2(v) - expm1(v); });
  check("sin, cos, pow", [](auto v) { return sin(v) + cos(v) * pow(v, 1.5); });
  check("floor, ceil, round, sign", [](auto v) { return floor(v) + 2 * ceil(v) + 4 * round(v) + 8 * sign(v); });
  check("softplus, reciprocal", [](auto v) { return softplus(v) + reciprocal(v); });
  check("relu, softcap", [](auto v) { return relu(v - 1) + softcap(v, 30.0); });
  check("max, min, clamp", [](auto v) { return max(v, 1.0f) + min(v, 2.0f) - clamp(v, 0.5, 1.5); });
}

TEST_CASE("cuda: a tensor that was moved from is empty") {
  auto x = or_throw(DeviceTensor<float, dyn, 4>::make(3));
  const auto y = std::move(x);
  CHECK((x.size() == 0 && x.view().tokens() == 0 && y.size() == 12));  // NOLINT: that is the question
  auto a = or_throw(DeviceTensor<float, 4>::make(7));
  CHECK((a.size() == 4 && a.tokens() == 1));
  const auto b = std::move(a);
  CHECK((a.size() == 0 && b.size() == 4));
  CHECK_THROWS_AS((void)a.view(), contract_error);
}

TEST_CASE("cuda: the target may be an operand; mistakes are refused before anything is queued") {
  const Cuda cuda = or_throw(Cuda::make());
  Numbers<float> x(1000, 8), y = x;
  OnDevice<float> dx(cuda, x);
  on(cuda, dx.tokens()) = dx.tokens() * 2 + 1;
  dx.back(cuda, y);
  for (index_t i = 0; i < 1000; ++i) CHECK(y[i] == Approx(x[i] * 2 + 1));
  CHECK_THROWS_AS(on(cuda, dx.tokens().slice(0, 500)) = dx.tokens().slice(1, 500) * 2, contract_error);
  CHECK_THROWS_AS(on(cuda, dx.tokens().slice(0, 500)) = dx.tokens().slice(500, 400) * 2, contract_error);
  CHECK(cuda.status());
}
