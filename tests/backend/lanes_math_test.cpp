// SPDX-License-Identifier: Apache-2.0
// exp, tanh and erf of SIMD registers against double precision: every 509th float there is, and all floats around the
// places where the formulas change. The limits are those of backend/lanes_math.hpp; -s prints what was found.
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

struct Worst {
  double ulps = 0;
  float at = 0;
};

template <class F>
void sweep(F f, double (*exact)(double), std::uint64_t first, std::uint64_t last, std::uint64_t step, Worst& worst) {
  float x[static_cast<std::size_t>(V::size)] = {}, y[static_cast<std::size_t>(V::size)];
  for (std::uint64_t u = first; u <= last;) {
    int n = 0;
    for (; n < V::size && u <= last; ++n, u += step) x[n] = std::bit_cast<float>(static_cast<std::uint32_t>(u));
    f(V::load(x)).store(y);
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

float one(V v) {
  float y[static_cast<std::size_t>(V::size)];
  v.store(y);
  return y[V::size - 1];
}

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
    }
}
#endif
