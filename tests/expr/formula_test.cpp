// SPDX-License-Identifier: Apache-2.0
// Expressions as text: operands numbered, parentheses where they are needed and nowhere else.
#include <molmo/expr/formula.hpp>

#include <molmo/expr/activations.hpp>
#include <molmo/expr/gather.hpp>
#include <molmo/expr/gradient.hpp>
#include <molmo/expr/remainder.hpp>
#include <molmo/expr/row_reduce.hpp>
#include <molmo/expr/transpose.hpp>

#include "support/catch.hpp"

using namespace molmo;

namespace {

struct Twist {
  static constexpr const char* name = "twist";
  double by;
  template <class V>
  MOLMO_INLINE V operator()(V x, V y) const {
    return x * y * constant<V>(by);
  }
};

}  // namespace

TEST_CASE("a formula names operands in the order in which they are read; the same view has the same name") {
  Tensor<float, dyn, 8> x{2}, gate{2}, up{2};
  Tensor<float, 8> row;
  CHECK(formula(x) == "x0");
  CHECK(formula(x + silu(gate) * up) == "x0 + silu(x1) * x2");
  CHECK(formula(gate * x + gate) == "x0 * x1 + x0");
  CHECK(formula(x.view() * x) == "x0 * x0");
  CHECK(formula(x * row + row) == "x0 * x1 + x1");
  // Other tokens of a tensor are another operand, and so are the same bytes of another type.
  CHECK(formula(x.view().slice(0, 1) * x.view().slice(1, 1)) == "x0 * x1");
  const View<const bf16, Shape<dyn, 8>> narrow(reinterpret_cast<const bf16*>(x.data()), 2);
  CHECK(formula(x + narrow) == "x0 + x1");
}

TEST_CASE("parentheses stand where the order of calculation needs them") {
  Tensor<float, 8> a, b, c;
  CHECK(formula(a + b + c) == "x0 + x1 + x2");
  CHECK(formula(a + (b + c)) == "x0 + (x1 + x2)");
  CHECK(formula(a - (b - c)) == "x0 - (x1 - x2)");
  CHECK(formula((a - b) - c) == "x0 - x1 - x2");
  CHECK(formula(a * b + c) == "x0 * x1 + x2");
  CHECK(formula(a * (b + c)) == "x0 * (x1 + x2)");
  CHECK(formula((a + b) * c) == "(x0 + x1) * x2");
  CHECK(formula(a / (b * c)) == "x0 / (x1 * x2)");
  CHECK(formula(a / b / c) == "x0 / x1 / x2");
  CHECK(formula(-a * b) == "-x0 * x1");
  CHECK(formula(-(a * b)) == "-(x0 * x1)");
  CHECK(formula(a - -b) == "x0 - -x1");
  CHECK(formula(-(-a)) == "--x0");
  CHECK(formula(exp(a + b) * c) == "exp(x0 + x1) * x2");
  CHECK(formula(max(a + b, c)) == "max(x0 + x1, x2)");
  CHECK(formula((a - 1) * a / (a + 0.5)) == "(x0 - 1) * x0 / (x0 + 0.5)");
}

TEST_CASE("numbers are as short as they can be read back") {
  Tensor<float, 8> a;
  CHECK(formula(a * 2) == "x0 * 2");
  CHECK(formula(0.1f * a) == "0.1 * x0");
  CHECK(formula(a + 1e-6) == "x0 + 1e-06");
  CHECK(formula(a * -2.5f) == "x0 * -2.5");
  CHECK(formula(pow(a, -1)) == "pow(x0, -1)");
  CHECK(formula(clamp(a, -1, 2)) == "clamp(x0, -1, 2)");
  CHECK(formula(softcap(a, 30)) == "softcap(x0, 30)");
}

TEST_CASE("reductions of rows are written as they are called") {
  Tensor<float, dyn, 8> x{2}, w{2};
  CHECK(formula(x * rsqrt(mean(x * x) + 1e-5) * w) == "x0 * rsqrt(mean(x0 * x0) + 1e-05) * x1");
  CHECK(formula(exp(x - log_sum_exp(x))) == "exp(x0 - log_sum_exp(x0))");
  CHECK(formula(w - 0.5 * gradient(silu(x) * w, 1, w)) == "x0 - 0.5 * gradient(silu(x1) * x0, 1, x0)");
}

TEST_CASE("rows and columns elsewhere are written as they are called") {
  Tensor<float, 4, 4> w;
  Tensor<float, dyn, 4> x{2};
  Tensor<std::int32_t, dyn> ids{2};
  CHECK(formula(w + transpose(w) * 2) == "x0 + transpose(x0) * 2");
  CHECK(formula(x + gather(w, ids % 4)) == "x0 + gather(x1, x2 % 4)");
}

TEST_CASE("every function has its name, and yours may have one") {
  Tensor<float, 8> a, b;
  CHECK(formula(exp(exp2(expm1(log(log1p(a)))))) == "exp(exp2(expm1(log(log1p(x0)))))");
  CHECK(formula(sin(cos(tanh(erf(a))))) == "sin(cos(tanh(erf(x0))))");
  CHECK(formula(sqrt(rsqrt(reciprocal(square(a))))) == "sqrt(rsqrt(reciprocal(square(x0))))");
  CHECK(formula(abs(sign(floor(ceil(round(a)))))) == "abs(sign(floor(ceil(round(x0)))))");
  CHECK(formula(sigmoid(silu(gelu(gelu_tanh(quick_gelu(a)))))) == "sigmoid(silu(gelu(gelu_tanh(quick_gelu(x0)))))");
  CHECK(formula(relu(softplus(a))) == "relu(softplus(x0))");
  CHECK(formula(min(a, pow(b, 2))) == "min(x0, pow(x1, 2))");
  CHECK(formula(map(Twist{2}, a, b) + 1) == "twist(x0, x1) + 1");
  CHECK(formula(map([](auto v) { return v + v; }, a)) == "f(x0)");
  CHECK(formula(silu(acc + a)) == "silu(acc + x0)");
  CHECK(formula(cast<bf16>(a) + cast<float>(cast<std::int32_t>(b) % 4)) ==
        "cast<bf16>(x0) + cast<float>(cast<std::int32_t>(x1) % 4)");
}
