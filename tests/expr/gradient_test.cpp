// SPDX-License-Identifier: Apache-2.0
// Adjoints against central differences in double, gradients of expressions against each other and against formulas by
// hand, at every tail, on plain loops and registers, with one target and with several.
#include <molmo/core/views.hpp>
#include <molmo/expr/gradient.hpp>

#include "expr/fixtures.hpp"
#include "support/catch.hpp"
#if MOLMO_HAS_XSIMD
#include <molmo/backend/xsimd_gradient.hpp>
#endif

#include <string>

using namespace molmo;
using fixtures::Numbers;
using fixtures::refusal;

namespace {

// f(x) and its gradient by central differences at 1000 points of [low, high]; L = sum of 0.75 f.
template <class F>
void check_one(const char* name, F f, double low, double high) {
  constexpr index_t n = 1000;
  Numbers<double> x(n), up(n), down(n), y_up(n), y_down(n), got(n);
  const Reference cpu;
  for (index_t i = 0; i < n; ++i) {
    x[i] = low + (high - low) * (static_cast<double>(i) + 0.37) / static_cast<double>(n);
    const double h = 1e-6 * std::max(1.0, std::fabs(x[i]));
    up[i] = x[i] + h, down[i] = x[i] - h;
  }
  on(cpu, y_up.tokens()) = f(up.tokens());
  on(cpu, y_down.tokens()) = f(down.tokens());
  on(cpu, got.tokens()) = gradient(f(x.tokens()), 0.75, x.tokens());
  double worst = 0, at = 0;
  for (index_t i = 0; i < n; ++i) {
    const double want = 0.75 * (y_up[i] - y_down[i]) / (up[i] - down[i]);
    // Truncation is below 1e-11 of the third derivative; rounding of y costs 1e-10 of |y|.
    const double error = std::fabs(got[i] - want) / (std::fabs(want) + 1e-2 * std::fabs(y_up[i]) + 1e-3);
    if (!(error <= worst)) worst = error, at = x[i];
  }
  INFO(name << ": worst " << worst << " at " << at);
  CHECK(worst <= 1e-7);
}

// Both gradients of f(a, b), a and b in their ranges.
template <class F>
void check_two(const char* name, F f, double a_low, double a_high, double b_low, double b_high) {
  Numbers<double> other(1000);
  for (index_t i = 0; i < 1000; ++i) other[i] = b_low + (b_high - b_low) * static_cast<double>(i * 389 % 1000) / 1000.0;
  check_one(
      name, [&](auto a) { return f(a, other.tokens()); }, a_low, a_high);
  for (index_t i = 0; i < 1000; ++i) other[i] = a_low + (a_high - a_low) * static_cast<double>(i * 389 % 1000) / 1000.0;
  check_one(
      name, [&](auto b) { return f(other.tokens(), b); }, b_low, b_high);
}

// A function object of a user's, with a state and an adjoint.
struct Scaled {
  double scale;
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(scale) * x * x;
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g * constant<V>(2 * scale) * x;
  }
};
struct Product {
  template <class V>
  MOLMO_INLINE V operator()(V x, V y) const {
    return x * y;
  }
  template <class V, class A, class B>
  MOLMO_INLINE void pull(V g, V, V x, V y, A& dx, B& dy) const {
    dx = g * y;
    dy = g * x;
  }
};

}  // namespace

TEST_CASE("the adjoint of every function of one operand agrees with central differences") {
  check_one(
      "neg", [](auto x) { return -x; }, -4, 4);
  check_one(
      "exp", [](auto x) { return exp(x); }, -8, 8);
  check_one(
      "exp2", [](auto x) { return exp2(x); }, -8, 8);
  check_one(
      "expm1", [](auto x) { return expm1(x); }, -4, 4);
  check_one(
      "log", [](auto x) { return log(x); }, 0.05, 20);
  check_one(
      "log1p", [](auto x) { return log1p(x); }, -0.9, 20);
  check_one(
      "sin", [](auto x) { return sin(x); }, -10, 10);
  check_one(
      "cos", [](auto x) { return cos(x); }, -10, 10);
  check_one(
      "tanh", [](auto x) { return tanh(x); }, -4, 4);
  check_one(
      "erf", [](auto x) { return erf(x); }, -3, 3);
  check_one(
      "sqrt", [](auto x) { return sqrt(x); }, 0.05, 20);
  check_one(
      "rsqrt", [](auto x) { return rsqrt(x); }, 0.1, 20);
  check_one(
      "reciprocal", [](auto x) { return reciprocal(x); }, 0.2, 20);
  check_one(
      "square", [](auto x) { return square(x); }, -4, 4);
  check_one(
      "abs", [](auto x) { return abs(x); }, -4, 4.1);  // no point is closer to 0 than 3e-3
  check_one(
      "sign", [](auto x) { return sign(x); }, -4, 4.1);
  check_one(
      "floor", [](auto x) { return floor(x); }, -4.0017, 4.1);
  check_one(
      "ceil", [](auto x) { return ceil(x); }, -4.0017, 4.1);
  check_one(
      "round", [](auto x) { return round(x); }, -4.0017, 4.1);
  check_one(
      "sigmoid", [](auto x) { return sigmoid(x); }, -10, 10);
  check_one(
      "silu", [](auto x) { return silu(x); }, -10, 10);
  check_one(
      "gelu", [](auto x) { return gelu(x); }, -5, 5);
  check_one(
      "gelu_tanh", [](auto x) { return gelu_tanh(x); }, -5, 5);
  check_one(
      "quick_gelu", [](auto x) { return quick_gelu(x); }, -5, 5);
  check_one(
      "relu", [](auto x) { return relu(x); }, -4, 4.1);
  check_one(
      "softplus", [](auto x) { return softplus(x); }, -15, 15);
  check_one(
      "softcap", [](auto x) { return softcap(x, 3.0); }, -10, 10);
  check_one(
      "clamp", [](auto x) { return clamp(x, -1.0, 2.0); }, -4, 4.1);
  check_one(
      "map with a state", [](const auto& x) { return map(Scaled{1.5}, x); }, -4, 4);
}

TEST_CASE("the adjoint of every function of two operands agrees with central differences, for both") {
  check_two(
      "+", [](auto a, auto b) { return a + b; }, -4, 4, -4, 4);
  check_two(
      "-", [](auto a, auto b) { return a - b; }, -4, 4, -4, 4);
  check_two(
      "*", [](auto a, auto b) { return a * b; }, -4, 4, -4, 4);
  check_two(
      "/", [](auto a, auto b) { return a / b; }, -4, 4, 0.5, 4);
  check_two(
      "pow", [](auto a, auto b) { return pow(a, b); }, 0.2, 4, -3, 3);
  check_two(
      "max", [](auto a, auto b) { return max(a, b); }, -4, 4, -4, 4.1);
  check_two(
      "min", [](auto a, auto b) { return min(a, b); }, -4, 4, -4, 4.1);
  check_two(
      "map", [](const auto& a, const auto& b) { return map(Product{}, a, b); }, -4, 4, -4, 4);
  check_one(
      "pow of negative numbers", [](auto x) { return pow(x, 3); }, -4, 4.1);
  check_one(
      "pow of a number", [](auto x) { return pow(2.5, x); }, -4, 4);
}

TEST_CASE("softcap and clamp have gradients by their numbers, too") {
  // Called directly: on expressions these operands are numbers.
  const detail::softcap_f cap;
  const detail::clamp_f clamp;
  const double h = 1e-6;
  for (const double x : {-7.0, -0.3, 0.2, 4.0}) {
    double dx = 0, dcap = 0;
    cap.pull(0.5, cap(x, 3.0), x, 3.0, dx, dcap);
    CHECK(std::fabs(dcap - 0.5 * (cap(x, 3.0 + h) - cap(x, 3.0 - h)) / (2 * h)) < 1e-9);
    double low = 0, high = 0;
    clamp.pull(0.5, clamp(x, -1.0, 2.0), x, -1.0, 2.0, dx, low, high);
    CHECK(std::fabs(low - 0.5 * (clamp(x, -1 + h, 2.0) - clamp(x, -1 - h, 2.0)) / (2 * h)) < 1e-9);
    CHECK(std::fabs(high - 0.5 * (clamp(x, -1.0, 2 + h) - clamp(x, -1.0, 2 - h)) / (2 * h)) < 1e-9);
  }
}

TEST_CASE("where there is no derivative, the gradient is PyTorch's") {
  constexpr index_t n = 19;  // a register of any width and a tail
  Numbers<float> x(n), z(n), y(n);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto of = [&](float a, float b, auto f) {
      for (index_t i = 0; i < n; ++i) x[i] = a, z[i] = b;
      on(cpu, y.tokens()) = gradient(f(x.tokens(), z.tokens()), 2, x.tokens());
      for (index_t i = 1; i < n; ++i) CHECK((y[i] == y[0] || (std::isnan(y[i]) && std::isnan(y[0]))));
      return y[0];
    };
    CHECK(of(0, 0, [](auto a, auto) { return relu(a); }) == 0);
    CHECK(of(1e-30f, 0, [](auto a, auto) { return relu(a); }) == 2);
    CHECK(of(nan, 0, [](auto a, auto) { return relu(a); }) == 2);
    CHECK(of(0, 0, [](auto a, auto) { return abs(a); }) == 0);
    CHECK(std::isnan(of(nan, 0, [](auto a, auto) { return abs(a); })));
    CHECK(of(3, 3, [](auto a, auto b) { return max(a, b); }) == 1);
    CHECK(of(3, 3, [](auto a, auto b) { return min(a, b); }) == 1);
    CHECK(of(3, 4, [](auto a, auto b) { return max(a, b); }) == 0);
    CHECK(of(-1, 0, [](auto a, auto) { return clamp(a, -1, 1); }) == 2);
    CHECK(of(1, 0, [](auto a, auto) { return clamp(a, -1, 1); }) == 2);
    CHECK(of(1.0001f, 0, [](auto a, auto) { return clamp(a, -1, 1); }) == 0);
    CHECK(of(0, 0, [](auto a, auto) { return pow(a, 0); }) == 0);
    CHECK(of(0, 0, [](auto a, auto) { return pow(a, 1); }) == 2);
    CHECK(of(0, 0, [](auto a, auto) { return pow(a, 2); }) == 0);
    CHECK(of(2, 0, [](auto a, auto b) { return pow(b, a); }) == 0);  // 0^2 by its exponent
    CHECK(std::isnan(of(nan, 0, [](auto a, auto) { return pow(a, 2); })));
    CHECK(std::isnan(of(nan, 1, [](auto a, auto b) { return silu(a) * b; })));
  });
}

TEST_CASE("gradients of expressions agree with formulas by hand, at every length, in f32, bf16 and double") {
  std::vector<index_t> sizes = {1001, 40000};
  for (index_t n = 1; n <= 40; ++n) sizes.push_back(n);
  const auto check = [&]<class T>(T, double allowed) {
    for (const index_t n : sizes) {
      Numbers<T> gate(n, 1), up(n, 2), g(n, 3), x(n, 4);
      Numbers<T> dgate(n), dup(n), dx(n), twice(n);
      fixtures::for_each_kind_of_backend([&](const auto& cpu) {
        const auto e = silu(gate.tokens()) * up.tokens();
        on(cpu, dgate.tokens()) = gradient(e, g.tokens(), gate.tokens());
        on(cpu, dup.tokens()) = gradient(e, g.tokens(), up.tokens());
        // x stands in three places, once through a view of its own
        const View<const T, Shape<dyn>> same(x.data(), n);
        on(cpu, dx.tokens()) =
            gradient(x.tokens() + gelu_tanh(gate.tokens() * same) / (1 + exp(-x.tokens())), g.tokens(), x.tokens());
        on(cpu, twice.tokens()) = x.tokens() - 0.5 * gradient(square(x.tokens()), 1, x.tokens());
        double worst = 0;
        for (index_t i = 0; i < n; ++i) {
          const double a = static_cast<double>(gate[i]), u = static_cast<double>(up[i]), in = static_cast<double>(g[i]),
                       v = static_cast<double>(x[i]);
          const double s = 1 / (1 + std::exp(-a));
          const auto note = [&](T got, double want, double size) {
            const double error = std::fabs(static_cast<double>(got) - want) / (std::fabs(want) + size);
            worst = std::isnan(error) || error > worst ? error : worst;
          };
          note(dgate[i], in * u * s * (1 + a * (1 - s)), 0.1);
          note(dup[i], in * a * s, 0.1);
          const double c = std::sqrt(2 / std::acos(-1.0)), w = a * v, t = std::tanh(c * (w + 0.044715 * w * w * w));
          const double curve = w / 2 * (1 + t);
          const double slope = (1 + t) / 2 + w / 2 * (1 - t * t) * c * (1 + 3 * 0.044715 * w * w);
          const double p = 1 / (1 + std::exp(-v));
          note(dx[i], in * (1 + slope * a * p + curve * p * (1 - p)), 20);
          note(twice[i], 0, 1);  // x - 0.5 (2 x)
        }
        INFO("n = " << n << ", " << cpu.name << ", worst " << worst);
        CHECK(worst <= allowed);
      });
    }
  };
  check(double{}, 1e-14);
  check(float{}, 3e-6);   // a few roundings of 6e-8, and where terms cancel
  check(bf16{}, 4.1e-3);  // the operands are exact; the result is rounded to 8 bits
}

TEST_CASE("several gradients in one pass are those of one each, bit for bit, for every number of threads") {
  for (const index_t n : {1, 15, 16, 33, 1000, 70001}) {
    Numbers<float> gate(n, 5), up(n, 6), g(n, 7), one(n), two(n), dgate(n), dup(n);
    Numbers<bf16> narrow(n);
    fixtures::for_each_backend([&](const auto& cpu) {
      const auto e = silu(gate.tokens()) * up.tokens();
      on(cpu, one.tokens()) = gradient(e, g.tokens(), gate.tokens());
      on(cpu, two.tokens()) = gradient(e, g.tokens(), up.tokens());
      on(cpu, dgate.tokens(), dup.tokens()) = gradient(e, g.tokens(), gate.tokens(), up.tokens());
      INFO("n = " << n << ", " << cpu.name << ", " << cpu.threads() << " threads");
      CHECK(dgate.same_bits(one));
      CHECK(dup.same_bits(two));
      // Into other types, and in place: the gradients take the place of the operands.
      on(cpu, dup.tokens(), narrow.tokens()) = gradient(e, g.tokens(), up.tokens(), gate.tokens());
      for (index_t i = 0; i < n; ++i)
        if (static_cast<float>(narrow[i]) != static_cast<float>(bf16(one[i]))) FAIL_CHECK("bf16 at " << i);
      Numbers<float> a = gate, b = up;
      on(cpu, a.tokens(), b.tokens()) = gradient(silu(a.tokens()) * b.tokens(), g.tokens(), a.tokens(), b.tokens());
      CHECK(a.same_bits(one));
      CHECK(b.same_bits(two));
    });
  }
  Numbers<double> x(99, 8), w(99, 9), dx(99), dw(99);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, dx.tokens(), dw.tokens()) = gradient(x.tokens() * exp(w.tokens()), 1, x.tokens(), w.tokens());
    for (index_t i = 0; i < 99; ++i) {
      CHECK(std::fabs(dx[i] - std::exp(w[i])) <= 1e-14 * std::exp(w[i]));
      CHECK(std::fabs(dw[i] - x[i] * std::exp(w[i])) <= 1e-14 * std::fabs(dw[i]));
    }
  });
}

TEST_CASE("rows and columns may stand beside; their own gradients are sums of terms") {
  constexpr index_t rows = 13, width = 21;
  Numbers<float> x(rows * width, 10), row(width, 11), column(rows, 12), g(rows * width, 13), dx(rows * width),
      terms(rows * width), dcolumn(rows);
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto all = x.tokens<width>();
    const auto e = tanh(all * row.fixed<width>()) * column.tokens();
    on(cpu, dx.tokens<width>()) = gradient(e, g.tokens<width>(), all);
    on(cpu, terms.tokens<width>()) = gradient_terms(e, g.tokens<width>(), row.fixed<width>());
    on(cpu, dcolumn.tokens()) = row_sum(gradient_terms(e, g.tokens<width>(), column.tokens()));
    for (index_t r = 0; r < rows; ++r) {
      double sum = 0, size = 0;
      for (index_t c = 0; c < width; ++c) {
        const index_t i = r * width + c;
        const double v = static_cast<double>(x[i]), w = static_cast<double>(row[c]), in = static_cast<double>(g[i]),
                     k = static_cast<double>(column[r]), t = std::tanh(v * w);
        const double want = in * k * (1 - t * t) * w, term = in * k * (1 - t * t) * v;
        // 1 - t^2 is off by two roundings of t^2
        if (std::fabs(static_cast<double>(dx[i]) - want) > 4e-7 * std::fabs(in * k * w)) FAIL_CHECK("dx " << i);
        if (std::fabs(static_cast<double>(terms[i]) - term) > 4e-7 * std::fabs(in * k * v)) FAIL_CHECK("term " << i);
        sum += in * t;
        size += std::fabs(in * t);
      }
      CHECK(std::fabs(static_cast<double>(dcolumn[r]) - sum) <= 4e-7 * size);
    }
  });
}

TEST_CASE("operands and targets may be pieces whose rows lie apart") {
  constexpr index_t rows = 9, width = 7;
  Numbers<float> both(rows * 2 * width, 18), g(rows * width, 19), d(rows * 2 * width), dgate(rows * width),
      dup(rows * width);
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto pair = both.tokens<2 * width>();
    const auto gate = columns<0, width>(pair), up = columns<width, width>(pair);
    const auto out = d.tokens<2 * width>();
    const auto e = silu(gate) * up;
    on(cpu, columns<0, width>(out), columns<width, width>(out)) = gradient(e, g.tokens<width>(), gate, up);
    on(cpu, dgate.tokens<width>()) = gradient(e, g.tokens<width>(), gate);
    on(cpu, dup.tokens<width>()) = gradient(e, g.tokens<width>(), up);
    for (index_t r = 0; r < rows; ++r)
      for (index_t c = 0; c < width; ++c) {
        const float a = both[r * 2 * width + c], s = 1 / (1 + std::exp(-a));
        CHECK(d[r * 2 * width + c] == dgate[r * width + c]);
        CHECK(d[r * 2 * width + width + c] == dup[r * width + c]);
        CHECK(std::fabs(dup[r * width + c] - g[r * width + c] * a * s) <= 1e-6f * std::fabs(g[r * width + c] * a));
      }
  });
}

TEST_CASE("an incoming gradient may be a number, a row or an expression") {
  constexpr index_t n = 5, width = 7;
  Numbers<float> x(n * width, 14), row(width, 15), dx(n * width);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto all = x.tokens<width>();
    on(cpu, dx.tokens<width>()) = gradient(square(all), row.fixed<width>() * 2, all);
    for (index_t i = 0; i < n * width; ++i) CHECK(dx[i] == row[i % width] * 2 * (x[i] + x[i]));
    on(cpu, dx.tokens<width>()) = gradient(all * 3, 1, all);
    for (index_t i = 0; i < n * width; ++i) CHECK(dx[i] == 3);
  });
}

TEST_CASE("what is no operand, or an operand in parts, is refused before anything is written") {
  Numbers<float> x(40, 16), other(40, 17), y(40), z(40);
  const Numbers<float> before = y;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto half = x.tokens().slice(0, 20);
    CHECK(refusal([&] { on(cpu, y.tokens()) = gradient(silu(x.tokens()), 1, other.tokens()); }).find("does not read") !=
          std::string::npos);
    CHECK(refusal([&] {
            on(cpu, y.tokens().slice(0, 20)) = gradient(half * x.tokens().slice(10, 20), 1, half);
          }).find("another view") != std::string::npos);
    CHECK(refusal([&] {
            on(cpu, y.tokens(), y.tokens()) = gradient(x.tokens() * other.tokens(), 1, x.tokens(), other.tokens());
          }).find("targets overlap") != std::string::npos);
    CHECK(refusal([&] {
            on(cpu, y.tokens(), z.tokens()) = gradient(x.tokens() * other.tokens(), 1, x.tokens(), x.tokens());
          }).find("named twice") != std::string::npos);
    CHECK(refusal([&] {
            on(cpu, y.tokens().slice(0, 20), z.tokens()) =
                gradient(x.tokens() * other.tokens(), 1, x.tokens(), other.tokens());
          }).find("tokens") != std::string::npos);
    CHECK(y.same_bits(before));
  });
}

TEST_CASE("gradient of no tokens: nothing is read and nothing written") {
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<float, Shape<dyn, 8>> none(nullptr, 0);
    CHECK(refusal([&] { on(cpu, none) = gradient(silu(none), 1, none); }) == "");
    CHECK(refusal([&] { on(cpu, none, none) = gradient(silu(none) * none, 1, none, none); }) == "");
  });
}

TEST_CASE("a gradient is as small as its operands and a number for each place they stand in") {
  const View<const float, Shape<dyn, 64>> x, w;
  const auto d = gradient(silu(x) * w, 1.0f, x);
  STATIC_REQUIRE(std::is_trivially_copyable_v<decltype(d)>);
  STATIC_REQUIRE(Expr<decltype(d)>);
  const auto flat = d.erased<Shape<dyn, 64>>();
  STATIC_REQUIRE(std::is_trivially_copyable_v<std::remove_const_t<decltype(flat)>>);
  CHECK(sizeof(flat) == 2 * 16 + 8 + 2 * sizeof(int));
}
