// SPDX-License-Identifier: Apache-2.0
// The functions of SIMD registers against double precision: every 509th float there is, and all floats around the places
// where the formulas change. The limits are those of backend/lanes_{exp,log,pow,trig}.hpp; -s prints what was found.
#if MOLMO_HAS_XSIMD
#include <molmo/backend/lanes_math.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace molmo;

namespace {

using V = Lanes<>;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
  if (std::fabs(want) > 0x1.ffffffp127)
    return got == (want > 0 ? inf : -inf) ? 0 : std::numeric_limits<double>::infinity();
  if (!std::isfinite(got)) return std::numeric_limits<double>::infinity();
  const int exponent = want == 0 ? -149 : std::max(std::ilogb(want) - 23, -149);
  return std::ldexp(std::fabs(static_cast<double>(got) - want), -exponent);
}

// The register that a function of the sweeps takes; Lanes<> where it does not say.
template <class F>
struct LanesOf {
  using type = V;
};
template <class F>
  requires requires { typename F::lanes; }
struct LanesOf<F> {
  using type = typename F::lanes;
};
template <class F>
using lanes_of = typename LanesOf<F>::type;

struct Worst {
  double ulps = 0;
  float at = 0;
};

template <class F>
void sweep(F f, double (*exact)(double), std::uint64_t first, std::uint64_t last, std::uint64_t step, Worst& worst) {
  using R = lanes_of<F>;
  float x[static_cast<std::size_t>(R::size)] = {}, y[static_cast<std::size_t>(R::size)];
  for (std::uint64_t u = first; u <= last;) {
    int n = 0;
    for (; n < R::size && u <= last; ++n, u += step) x[n] = std::bit_cast<float>(static_cast<std::uint32_t>(u));
    f(R::load(x)).store(y);
    for (int i = 0; i < n; ++i) {
      const double e = ulps(y[i], exact(static_cast<double>(x[i])));
      if (!(e <= worst.ulps)) worst = {e, x[i]};
    }
  }
}

// Both signs of the floats from a to b.
template <class F>
void all_between(F f, double (*exact)(double), float a, float b, Worst& worst) {
  const std::uint32_t low = std::bit_cast<std::uint32_t>(a), high = std::bit_cast<std::uint32_t>(b);
  sweep(f, exact, low, high, 1, worst);
  sweep(f, exact, low | 0x80000000u, high | 0x80000000u, 1, worst);
}

template <class A>
float one(Lanes<A> v) {
  float y[static_cast<std::size_t>(Lanes<A>::size)];
  v.store(y);
  return y[Lanes<A>::size - 1];
}

// f of one number, in a register of A.
template <class A, class F>
float at(F f, float x) {
  return one(f(Lanes<A>::broadcast(x)));
}
template <class A>
float pow_at(float x, float y) {
  return one(pow(Lanes<A>::broadcast(x), Lanes<A>::broadcast(y)));
}

// body.operator()<Arch>(): the registers of this file, and those of an instruction set whose fma rounds twice.
template <class Body>
void for_each_arch(Body&& body) {
  body.template operator()<native>();
#if defined(__x86_64__)
  body.template operator()<xsimd::sse2>();
#endif
}

bool same(float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }

}  // namespace

TEST_CASE("exp is right to 1.1 units in the last place everywhere") {
  const auto f = [](V x) { return exp(x); };
  const auto exact = +[](double x) { return std::exp(x); };
  Worst worst;
  sweep(f, exact, 0, 0xffffffffu, 509, worst);
  all_between(f, exact, 87.3f, 89.1f, worst);    // overflow, and the first subnormal results
  all_between(f, exact, 103.5f, 104.5f, worst);  // the last subnormal results
  all_between(f, exact, 0.3465f, 0.3466f, worst);
  INFO("worst: " << worst.ulps << " at " << worst.at);
  CHECK(worst.ulps <= 1.1);
  CHECK(one(exp(V::broadcast(0.0f))) == 1);
  CHECK(one(exp(V::broadcast(inf))) == inf);
  CHECK(one(exp(V::broadcast(-inf))) == 0);
  CHECK(std::isnan(one(exp(V::broadcast(not_a_number)))));
}

TEST_CASE("tanh is right to 1.5 units in the last place everywhere") {
  const auto f = [](V x) { return tanh(x); };
  const auto exact = +[](double x) { return std::tanh(x); };
  Worst worst;
  sweep(f, exact, 0, 0xffffffffu, 509, worst);
  all_between(f, exact, 0.62f, 0.63f, worst);
  all_between(f, exact, 8.9f, 9.1f, worst);
  INFO("worst: " << worst.ulps << " at " << worst.at);
  CHECK(worst.ulps <= 1.5);
  CHECK(one(tanh(V::broadcast(inf))) == 1);
  CHECK(one(tanh(V::broadcast(-inf))) == -1);
  CHECK(one(tanh(V::broadcast(0.0f))) == 0);
  CHECK(std::isnan(one(tanh(V::broadcast(not_a_number)))));
}

TEST_CASE("erf is right to 1.3 units in the last place everywhere") {
  const auto f = [](V x) { return erf(x); };
  const auto exact = +[](double x) { return std::erf(x); };
  Worst worst;
  sweep(f, exact, 0, 0xffffffffu, 509, worst);
  all_between(f, exact, 0.91f, 0.93f, worst);
  all_between(f, exact, 3.9f, 4.0f, worst);
  INFO("worst: " << worst.ulps << " at " << worst.at);
  CHECK(worst.ulps <= 1.3);
  CHECK(one(erf(V::broadcast(inf))) == 1);
  CHECK(one(erf(V::broadcast(-inf))) == -1);
  CHECK(one(erf(V::broadcast(0.0f))) == 0);
  CHECK(std::isnan(one(erf(V::broadcast(not_a_number)))));
}

namespace {

template <class A>
struct Log {
  using lanes = Lanes<A>;
  lanes operator()(lanes x) const { return log(x); }
};
template <class A>
struct Log1p {
  using lanes = Lanes<A>;
  lanes operator()(lanes x) const { return log1p(x); }
};
template <class A>
struct Exp2 {
  using lanes = Lanes<A>;
  lanes operator()(lanes x) const { return exp2(x); }
};
template <class A>
struct Expm1 {
  using lanes = Lanes<A>;
  lanes operator()(lanes x) const { return expm1(x); }
};
template <class A>
struct Sin {
  using lanes = Lanes<A>;
  lanes operator()(lanes x) const { return sin(x); }
};
template <class A>
struct Cos {
  using lanes = Lanes<A>;
  lanes operator()(lanes x) const { return cos(x); }
};

}  // namespace

TEST_CASE("log is right to 1 unit in the last place everywhere") {
  for_each_arch([]<class A>() {
    const Log<A> f;
    const auto exact = +[](double x) { return std::log(x); };
    Worst worst;
    sweep(f, exact, 0, 0xffffffffu, 509, worst);
    all_between(f, exact, 0.99f, 1.01f, worst);
    all_between(f, exact, 1.41f, 1.42f, worst);  // where the exponent steps
    sweep(f, exact, 0, 100000, 1, worst);        // subnormals
    INFO("worst: " << worst.ulps << " at " << worst.at << ", " << Lanes<A>::size << " lanes");
    CHECK(worst.ulps <= 1.0);
    CHECK(same(at<A>(f, 1.0f), 0.0f));
    CHECK(at<A>(f, 0.0f) == -inf);
    CHECK(at<A>(f, -0.0f) == -inf);
    CHECK(at<A>(f, inf) == inf);
    CHECK(std::isnan(at<A>(f, -inf)));
    CHECK(std::isnan(at<A>(f, -1e-40f)));
    CHECK(std::isnan(at<A>(f, not_a_number)));
  });
}

TEST_CASE("log1p is right to 1.5 units in the last place everywhere") {
  for_each_arch([]<class A>() {
    const Log1p<A> f;
    const auto exact = +[](double x) { return std::log1p(x); };
    Worst worst;
    sweep(f, exact, 0, 0xffffffffu, 509, worst);
    all_between(f, exact, 0.41f, 0.42f, worst);
    all_between(f, exact, 0.29f, 0.30f, worst);
    all_between(f, exact, 0.999f, 1.001f, worst);
    INFO("worst: " << worst.ulps << " at " << worst.at << ", " << Lanes<A>::size << " lanes");
    CHECK(worst.ulps <= 1.5);
    CHECK(same(at<A>(f, 0.0f), 0.0f));
    CHECK(same(at<A>(f, -0.0f), -0.0f));
    CHECK(same(at<A>(f, -1e-45f), -1e-45f));
    CHECK(at<A>(f, -1.0f) == -inf);
    CHECK(at<A>(f, inf) == inf);
    CHECK(std::isnan(at<A>(f, -1.0000001f)));
    CHECK(std::isnan(at<A>(f, -inf)));
    CHECK(std::isnan(at<A>(f, not_a_number)));
  });
}

TEST_CASE("exp2 is right to 1.3 units in the last place everywhere") {
  for_each_arch([]<class A>() {
    const Exp2<A> f;
    const auto exact = +[](double x) { return std::exp2(x); };
    Worst worst;
    sweep(f, exact, 0, 0xffffffffu, 509, worst);
    all_between(f, exact, 125.9f, 128.1f, worst);
    all_between(f, exact, 148.9f, 150.1f, worst);
    all_between(f, exact, 0.499f, 0.501f, worst);
    INFO("worst: " << worst.ulps << " at " << worst.at << ", " << Lanes<A>::size << " lanes");
    CHECK(worst.ulps <= 1.3);
    for (int n = -149; n < 128; ++n) CHECK(at<A>(f, static_cast<float>(n)) == std::ldexp(1.0f, n));
    CHECK(at<A>(f, inf) == inf);
    CHECK(at<A>(f, -inf) == 0);
    CHECK(std::isnan(at<A>(f, not_a_number)));
  });
}

TEST_CASE("expm1 is right to 1.5 units in the last place everywhere") {
  for_each_arch([]<class A>() {
    const Expm1<A> f;
    const auto exact = +[](double x) { return std::expm1(x); };
    Worst worst;
    sweep(f, exact, 0, 0xffffffffu, 509, worst);
    all_between(f, exact, 0.34f, 0.35f, worst);
    all_between(f, exact, 1.03f, 1.05f, worst);
    all_between(f, exact, 88.3f, 88.8f, worst);
    INFO("worst: " << worst.ulps << " at " << worst.at << ", " << Lanes<A>::size << " lanes");
    CHECK(worst.ulps <= 1.5);
    CHECK(same(at<A>(f, 0.0f), 0.0f));
    CHECK(same(at<A>(f, -0.0f), -0.0f));
    CHECK(same(at<A>(f, 1e-45f), 1e-45f));
    CHECK(at<A>(f, inf) == inf);
    CHECK(at<A>(f, -inf) == -1);
    CHECK(std::isnan(at<A>(f, not_a_number)));
  });
}

TEST_CASE("sin and cos are right to 1.6 units in the last place everywhere") {
  for_each_arch([]<class A>() {
    Worst worst_sin, worst_cos;
    const auto exact_sin = +[](double x) { return std::sin(x); };
    const auto exact_cos = +[](double x) { return std::cos(x); };
    sweep(Sin<A>{}, exact_sin, 0, 0xffffffffu, 509, worst_sin);
    sweep(Cos<A>{}, exact_cos, 0, 0xffffffffu, 509, worst_cos);
    // The floats around the multiples of pi / 2, where what is left of x is as small as it gets.
    for (const int k : {1, 2, 3, 4, 5, 100, 5214, 5215, 5216, 100000, 166885, 166886, 166887}) {
      const std::uint32_t middle = std::bit_cast<std::uint32_t>(static_cast<float>(k * std::acos(0.0)));
      sweep(Sin<A>{}, exact_sin, middle - 300, middle + 300, 1, worst_sin);
      sweep(Cos<A>{}, exact_cos, middle - 300, middle + 300, 1, worst_cos);
    }
    for (int k = 1; k < 170000; ++k) {
      const std::uint32_t middle = std::bit_cast<std::uint32_t>(static_cast<float>(k * std::acos(0.0)));
      sweep(Sin<A>{}, exact_sin, middle, middle, 1, worst_sin);
      sweep(Cos<A>{}, exact_cos, middle, middle, 1, worst_cos);
    }
    INFO("worst: sin " << worst_sin.ulps << " at " << worst_sin.at << ", cos " << worst_cos.ulps << " at "
                       << worst_cos.at << ", " << Lanes<A>::size << " lanes");
    CHECK(worst_sin.ulps <= 1.6);
    CHECK(worst_cos.ulps <= 1.6);
    CHECK(same(at<A>(Sin<A>{}, 0.0f), 0.0f));
    CHECK(same(at<A>(Sin<A>{}, -0.0f), -0.0f));
    CHECK(same(at<A>(Sin<A>{}, -1e-45f), -1e-45f));
    CHECK(at<A>(Cos<A>{}, 0.0f) == 1);
    for (const float x : {inf, -inf, not_a_number}) {
      CHECK(std::isnan(at<A>(Sin<A>{}, x)));
      CHECK(std::isnan(at<A>(Cos<A>{}, x)));
    }
  });
}

TEST_CASE("pow is right to 1.3 units in the last place") {
  for_each_arch([]<class A>() {
    using R = Lanes<A>;
    Worst worst;
    float beside = 0;
    float x[static_cast<std::size_t>(R::size)], y[static_cast<std::size_t>(R::size)],
        z[static_cast<std::size_t>(R::size)];
    const auto check = [&] {
      pow(R::load(x), R::load(y)).store(z);
      for (int i = 0; i < R::size; ++i) {
        const double e = ulps(z[i], std::pow(static_cast<double>(x[i]), static_cast<double>(y[i])));
        if (!(e <= worst.ulps)) worst = {e, x[i]}, beside = y[i];
      }
    };
    std::uint64_t state = 7;
    const auto uniform = [&] {  // [0, 1)
      state = state * 6364136223846793005u + 1442695040888963407u;
      return static_cast<double>(state >> 40) / 16777216.0;
    };
    const auto any_float = [&] {
      return std::bit_cast<float>(static_cast<std::uint32_t>(uniform() * 65536) << 16 |
                                  static_cast<std::uint32_t>(uniform() * 65536));
    };
    for (int round = 0; round < 200000; ++round) {
      for (int i = 0; i < R::size; ++i) {
        if (round % 4 == 0) {  // any two floats
          x[i] = any_float(), y[i] = any_float();
        } else if (round % 4 == 1) {  // results all over the range: y = result / log2 x
          x[i] = std::fabs(any_float());
          y[i] = static_cast<float>((uniform() - 0.5) * 310 / std::log2(static_cast<double>(x[i])));
        } else if (round % 4 == 2) {  // x near 1, large y
          x[i] = static_cast<float>(1 + (uniform() - 0.5) * std::ldexp(1.0, -static_cast<int>(uniform() * 20)));
          y[i] = static_cast<float>((uniform() - 0.5) * 310 / std::log2(static_cast<double>(x[i])));
        } else {  // whole powers of numbers of both signs
          x[i] = static_cast<float>((uniform() - 0.5) * 20),
          y[i] = static_cast<float>(static_cast<int>(uniform() * 40) - 20);
        }
      }
      check();
    }
    INFO("worst: " << worst.ulps << " at " << worst.at << " ^ " << beside << ", " << R::size << " lanes");
    CHECK(worst.ulps <= 1.3);
  });
}

TEST_CASE("pow has the special values of C") {
  const float values[] = {0.0f,   -0.0f,  1.0f,   -1.0f,       0.5f,         -0.5f,
                          2.0f,   -2.0f,  3.0f,   -3.0f,       2.5f,         -2.5f,
                          1e30f,  -1e30f, 1e-30f, 16777215.0f, 16777216.0f,  -16777217.0f,
                          1e-45f, inf,    -inf,   -1e-45f,     not_a_number, std::numeric_limits<float>::max()};
  for_each_arch([&]<class A>() {
    for (const float x : values)
      for (const float y : values) {
        const float got = pow_at<A>(x, y),
                    want = static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(y)));
        INFO(x << " ^ " << y << " = " << got << ", not " << want << ", " << Lanes<A>::size << " lanes");
        if (std::isnan(want))
          CHECK(std::isnan(got));
        else if (want == 0 || std::isinf(want))
          CHECK(same(got, want));
        else
          CHECK(ulps(got, std::pow(static_cast<double>(x), static_cast<double>(y))) <= 1.3);
      }
  });
}

TEST_CASE("floor, ceil and rounding are those of C, bit for bit") {
  for_each_arch([]<class A>() {
    for (std::uint64_t u = 0; u <= 0xffffffffu; u += 65521) {
      const float x = std::bit_cast<float>(static_cast<std::uint32_t>(u));
      if (std::isnan(x)) continue;
      const bool right = same(one(floor(Lanes<A>::broadcast(x))), std::floor(x)) &&
                         same(one(ceil(Lanes<A>::broadcast(x))), std::ceil(x)) &&
                         same(one(round_to_integer(Lanes<A>::broadcast(x))), std::nearbyint(x));
      if (!right) FAIL_CHECK("x = " << x);
    }
    for (const float x : {0.0f, -0.0f, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 0.49999997f, 8388607.5f, inf, -inf,
                          1e-45f, -1e-45f, -1.0f, 3.0f}) {
      INFO("x = " << x);
      CHECK(same(one(floor(Lanes<A>::broadcast(x))), std::floor(x)));
      CHECK(same(one(ceil(Lanes<A>::broadcast(x))), std::ceil(x)));
      CHECK(same(one(round_to_integer(Lanes<A>::broadcast(x))), std::nearbyint(x)));
    }
    CHECK(std::isnan(one(floor(Lanes<A>::broadcast(not_a_number)))));
    CHECK(std::isnan(one(ceil(Lanes<A>::broadcast(not_a_number)))));
  });
}

TEST_CASE("a lane does not see its neighbours") {
  float x[static_cast<std::size_t>(V::size)], y[static_cast<std::size_t>(V::size)];
  for (const float beside : {not_a_number, inf, -inf, 1e30f, -200.0f, 0.0f})
    for (int at = 0; at < V::size; ++at) {
      for (float& v : x) v = beside;
      x[at] = 0.7f;
      exp(V::load(x)).store(y);
      CHECK(y[at] == one(exp(V::broadcast(0.7f))));
      tanh(V::load(x)).store(y);
      CHECK(y[at] == one(tanh(V::broadcast(0.7f))));
      erf(V::load(x)).store(y);
      CHECK(y[at] == one(erf(V::broadcast(0.7f))));
      log(V::load(x)).store(y);
      CHECK(y[at] == one(log(V::broadcast(0.7f))));
      sin(V::load(x)).store(y);
      CHECK(y[at] == one(sin(V::broadcast(0.7f))));
      cos(V::load(x)).store(y);
      CHECK(y[at] == one(cos(V::broadcast(0.7f))));
      pow(V::load(x), V::load(x)).store(y);
      CHECK(y[at] == one(pow(V::broadcast(0.7f), V::broadcast(0.7f))));
    }
}
#endif
