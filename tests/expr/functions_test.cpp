// SPDX-License-Identifier: Apache-2.0
// Every function against the standard library in double, on the plain loops and on SIMD registers, at every tail, and
// with the same bits for every number of threads.
#include <molmo/expr/functions.hpp>

#include "expr/fixtures.hpp"
#include "support/catch.hpp"

#include <string>

using namespace molmo;
using fixtures::Numbers;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// One function: as an expression, in double, and the error that float arithmetic allows it: `units` in the last place
// of the result, plus `absolute` times |x| where the formula itself subtracts two numbers of nearly the same size.
template <class Make>
struct Function {
  const char* name;
  Make make;
  double (*exact)(double);
  double units;
  double absolute = 0;
  double range = 8;
  bool positive = false;  // only defined there
};
template <class Make>
Function(const char*, Make, double (*)(double), double) -> Function<Make>;
template <class Make>
Function(const char*, Make, double (*)(double), double, double) -> Function<Make>;
template <class Make>
Function(const char*, Make, double (*)(double), double, double, double) -> Function<Make>;
template <class Make>
Function(const char*, Make, double (*)(double), double, double, double, bool) -> Function<Make>;

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double gelu_of(double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }
double gelu_tanh_of(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

template <class Body>
void for_each_function(Body&& body) {
  body(Function{"exp", [](auto x) { return exp(x); }, +[](double x) { return std::exp(x); }, 1.1, 0.0, 80.0});
  // 2.2: the tanhf of glibc; ours has 1.4 (tests/backend/lanes_math_test.cpp)
  body(Function{"tanh", [](auto x) { return tanh(x); }, +[](double x) { return std::tanh(x); }, 2.3});
  body(Function{"erf", [](auto x) { return erf(x); }, +[](double x) { return std::erf(x); }, 1.3, 0.0, 4.0});
  body(Function{"sqrt", [](auto x) { return sqrt(x); }, +[](double x) { return std::sqrt(x); }, 0.51, 0.0, 1000.0,
                true});
  body(Function{"rsqrt", [](auto x) { return rsqrt(x); }, +[](double x) { return 1 / std::sqrt(x); }, 1.6, 0.0, 1000.0,
                true});
  body(Function{"abs", [](auto x) { return abs(x); }, +[](double x) { return std::fabs(x); }, 0.0});
  body(Function{"square", [](auto x) { return square(x); }, +[](double x) { return x * x; }, 0.51});
  body(Function{"sigmoid", [](auto x) { return sigmoid(x); }, &sigmoid_of, 3.0, 0.0, 80.0});
  body(Function{"silu", [](auto x) { return silu(x); }, +[](double x) { return x * sigmoid_of(x); }, 3.5, 0.0, 80.0});
  body(Function{"gelu", [](auto x) { return gelu(x); }, &gelu_of, 3.5, 1.2e-7});
  body(Function{"gelu_tanh", [](auto x) { return gelu_tanh(x); }, &gelu_tanh_of, 4.0, 4e-7});
  // -1.702 x rounded once moves e^(-1.702 x) by up to |1.702 x| half-units
  body(Function{"quick_gelu", [](auto x) { return quick_gelu(x); }, +[](double x) { return x * sigmoid_of(1.702 * x); },
                16.0});
  body(Function{"exp2", [](auto x) { return exp2(x); }, +[](double x) { return std::exp2(x); }, 1.3, 0.0, 120.0});
  body(Function{"expm1", [](auto x) { return expm1(x); }, +[](double x) { return std::expm1(x); }, 1.5, 0.0, 80.0});
  body(Function{"log", [](auto x) { return log(x); }, +[](double x) { return std::log(x); }, 1.1, 0.0, 1000.0, true});
  body(Function{"log1p", [](auto x) { return log1p(x); }, +[](double x) { return std::log1p(x); }, 1.6, 0.0, 1000.0,
                true});
  body(Function{"sin", [](auto x) { return sin(x); }, +[](double x) { return std::sin(x); }, 1.7, 0.0, 1000.0});
  body(Function{"cos", [](auto x) { return cos(x); }, +[](double x) { return std::cos(x); }, 1.7, 0.0, 1e6});
  body(Function{"pow of 1.75", [](auto x) { return pow(x, 1.75); }, +[](double x) { return std::pow(x, 1.75); }, 1.4,
                0.0, 1000.0, true});
  body(Function{"cube", [](auto x) { return pow(x, 3); }, +[](double x) { return x * x * x; }, 1.4, 0.0, 1000.0});
  body(Function{"pow of 2.5 to the x", [](auto x) { return pow(2.5f, x); }, +[](double x) { return std::pow(2.5, x); },
                1.4, 0.0, 90.0});
  body(Function{"floor", [](auto x) { return floor(x); }, +[](double x) { return std::floor(x); }, 0.0});
  body(Function{"ceil", [](auto x) { return ceil(x); }, +[](double x) { return std::ceil(x); }, 0.0});
  body(Function{"round", [](auto x) { return round(x * 0.5f); }, +[](double x) { return std::nearbyint(x * 0.5); },
                0.0});
  body(Function{"sign", [](auto x) { return sign(x); }, +[](double x) { return x < 0 ? -1.0 : x > 0 ? 1.0 : x; }, 0.0});
  body(Function{"reciprocal", [](auto x) { return reciprocal(x); }, +[](double x) { return 1 / x; }, 0.51, 0.0, 1000.0,
                true});
  // log1p and its argument e^-|x|, 1.0 units off, and their sum
  body(Function{"softplus", [](auto x) { return softplus(x); },
                +[](double x) { return (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::fabs(x))); }, 3.2, 0.0, 80.0});
  body(Function{"relu", [](auto x) { return relu(x); }, +[](double x) { return x > 0 ? x : 0.0; }, 0.0});
  body(Function{"softcap", [](auto x) { return softcap(x, 30.0); }, +[](double x) { return 30 * std::tanh(x / 30); },
                3.8, 0.0, 200.0});
  body(Function{"max", [](auto x) { return max(x, 0.5f); }, +[](double x) { return x > 0.5 ? x : 0.5; }, 0.0});
  body(Function{"min", [](auto x) { return min(-0.5f, x); }, +[](double x) { return x < -0.5 ? x : -0.5; }, 0.0});
  body(Function{"clamp", [](auto x) { return clamp(x, -2.0, 3.0); },
                +[](double x) { return x < -2  ? -2.0
                                       : x > 3 ? 3.0
                                               : x; }, 0.0});
}

template <class F>
Numbers<float> input(const F& f, index_t n) {
  Numbers<float> x(n, 21, f.range);
  for (index_t i = 0; i < n; ++i) {
    if (i % 5 == 4) x[i] *= 0.01f;  // some near zero
    if (f.positive) x[i] = std::fabs(x[i]) + 1e-6f;
  }
  return x;
}

template <class F>
double worst_error(const F& f, const Numbers<float>& x, const Numbers<float>& y) {
  double worst = 0;
  for (index_t i = 0; i < x.size(); ++i) {
    const double want = f.exact(static_cast<double>(x[i]));
    const double error = std::fabs(static_cast<double>(y[i]) - want);
    const double allowed = f.units * fixtures::unit<float>(want) + f.absolute * std::fabs(static_cast<double>(x[i]));
    if (!(error <= allowed)) worst = std::max(worst, allowed > 0 ? error / allowed : infinity);
  }
  return worst;
}

}  // namespace

TEST_CASE("every function is right to a few units in the last place, at every length") {
  std::vector<index_t> sizes = {1001, 65537};
  for (index_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for_each_function([&](const auto& f) {
    for (const index_t n : sizes) {
      Numbers<float> x = input(f, n);
      fixtures::for_each_kind_of_backend([&](const auto& cpu) {
        Numbers<float> y(n);
        on(cpu, y.tokens()) = f.make(x.tokens());
        INFO(f.name << ", n = " << n << ", " << cpu.name);
        CHECK(worst_error(f, x, y) == 0);
      });
    }
  });
}

TEST_CASE("every function is right in double") {
  constexpr index_t n = 501;
  for_each_function([&](const auto& f) {
    const Numbers<float> small = input(f, n);
    Numbers<double> x(n), y(n);
    for (index_t i = 0; i < n; ++i) x[i] = small[i];
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      on(cpu, y.tokens()) = f.make(x.tokens());
      double worst = 0;
      for (index_t i = 0; i < n; ++i) {
        const double want = f.exact(x[i]);
        worst = std::max(worst,
                         std::fabs(y[i] - want) / (std::fabs(want) + (f.absolute > 0 ? std::fabs(x[i]) : 0) + 1e-300));
      }
      INFO(f.name << ", " << cpu.name);
      CHECK(worst < 1e-14);
    });
  });
}

TEST_CASE("a million elements have the same bits for 1, 2, 3 and 8 threads") {
#if MOLMO_HAS_XSIMD
  for (const index_t n : {index_t{65537}, index_t{1000000}}) {
    Numbers<float> x(n, 22), y(n), first(n);
    Numbers<bf16> narrow(n), narrow_first(n);
    for (const int threads : {1, 2, 3, 8}) {
      const Xsimd cpu(threads);
      on(cpu, y.tokens()) = x.tokens() + silu(x.tokens()) * gelu(x.tokens()) - tanh(x.tokens());
      on(cpu, narrow.tokens()) = softcap(x.tokens(), 30.0) * 3;
      if (threads == 1) first = y, narrow_first = narrow;
      INFO(threads << " threads, n = " << n);
      CHECK(y.same_bits(first));
      CHECK(narrow.same_bits(narrow_first));
    }
  }
#else
  SUCCEED("without xsimd there is one thread");
#endif
}

TEST_CASE("NaN, infinities, zeroes and huge arguments end as IEEE says") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  // Long enough for one register of any width and a tail.
  constexpr index_t n = 19;
  Numbers<float> x(n), y(n);
  const auto value = [&](const auto& cpu, float at, auto make) {
    for (index_t i = 0; i < n; ++i) x[i] = at;
    on(cpu, y.tokens()) = make(x.tokens());
    INFO("x = " << at << ", " << cpu.name);
    for (index_t i = 1; i < n; ++i)
      CHECK(((std::isnan(y[i]) && std::isnan(y[0])) || y[i] == y[0]));  // lanes and tail agree
    return y[0];
  };
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto exp_of = [](auto v) { return exp(v); };
    const auto tanh_of = [](auto v) { return tanh(v); };
    const auto erf_of = [](auto v) { return erf(v); };
    const auto silu_of = [](auto v) { return silu(v); };
    const auto relu_of = [](auto v) { return relu(v); };
    const auto clamp_of = [](auto v) { return clamp(v, -1.0, 1.0); };
    CHECK(value(cpu, inf, exp_of) == inf);
    CHECK(value(cpu, -inf, exp_of) == 0);
    CHECK(value(cpu, 89.0f, exp_of) == inf);
    CHECK(value(cpu, -150.0f, exp_of) == 0);
    CHECK(value(cpu, 0.0f, exp_of) == 1);
    CHECK(value(cpu, inf, tanh_of) == 1);
    CHECK(value(cpu, -inf, tanh_of) == -1);
    CHECK(value(cpu, -0.0f, tanh_of) == 0);
    CHECK(value(cpu, inf, erf_of) == 1);
    CHECK(value(cpu, -30.0f, erf_of) == -1);
    CHECK(value(cpu, inf, silu_of) == inf);
    CHECK(std::fabs(value(cpu, -1000.0f, silu_of)) == 0);
    CHECK(value(cpu, -inf, relu_of) == 0);
    CHECK(value(cpu, inf, clamp_of) == 1);
    CHECK(std::isnan(value(cpu, nan, exp_of)));
    CHECK(std::isnan(value(cpu, nan, tanh_of)));
    CHECK(std::isnan(value(cpu, nan, erf_of)));
    CHECK(std::isnan(value(cpu, nan, silu_of)));
    CHECK(std::isnan(value(cpu, nan, relu_of)));
    CHECK(std::isnan(value(cpu, nan, clamp_of)));
    CHECK(std::isnan(value(cpu, nan, [](auto v) { return gelu(v); })));
    CHECK(std::isnan(value(cpu, -1.0f, [](auto v) { return sqrt(v); })));
    const auto log_of = [](auto v) { return log(v); };
    const auto log1p_of = [](auto v) { return log1p(v); };
    const auto softplus_of = [](auto v) { return softplus(v); };
    const auto sign_of = [](auto v) { return sign(v); };
    const auto round_of = [](auto v) { return round(v); };
    CHECK(value(cpu, 0.0f, log_of) == -inf);
    CHECK(value(cpu, inf, log_of) == inf);
    CHECK(std::isnan(value(cpu, -1.0f, log_of)));
    CHECK(std::isnan(value(cpu, nan, log_of)));
    CHECK(value(cpu, -1.0f, log1p_of) == -inf);
    CHECK(std::isnan(value(cpu, nan, log1p_of)));
    CHECK(value(cpu, 1000.0f, softplus_of) == 1000);
    CHECK(value(cpu, inf, softplus_of) == inf);
    CHECK(value(cpu, -inf, softplus_of) == 0);
    CHECK(value(cpu, -100.0f, softplus_of) > 0);  // 3.8e-44, a subnormal
    CHECK(std::isnan(value(cpu, nan, softplus_of)));
    CHECK(value(cpu, -inf, sign_of) == -1);
    CHECK(std::signbit(value(cpu, -0.0f, sign_of)));
    CHECK(std::isnan(value(cpu, nan, sign_of)));
    CHECK(value(cpu, 2.5f, round_of) == 2);
    CHECK(value(cpu, 3.5f, round_of) == 4);
    CHECK(std::signbit(value(cpu, -0.4f, round_of)));
    CHECK(std::isnan(value(cpu, inf, [](auto v) { return sin(v); })));
    CHECK(std::isnan(value(cpu, -inf, [](auto v) { return cos(v); })));
    CHECK(value(cpu, nan, [](auto v) { return pow(v, 0); }) == 1);
    CHECK(std::isnan(value(cpu, -2.0f, [](auto v) { return pow(v, 0.5); })));
    CHECK(value(cpu, -2.0f, [](auto v) { return pow(v, 3); }) == -8);
    CHECK(value(cpu, 0.0f, [](auto v) { return pow(v, -1); }) == inf);
    CHECK(std::isnan(value(cpu, nan, [](auto v) { return floor(v) + ceil(v); })));
    CHECK(value(cpu, -0.0f, [](auto v) { return reciprocal(v); }) == -inf);
    CHECK(value(cpu, 0.0f, [](auto v) { return rsqrt(v); }) == inf);
  });
}
