// SPDX-License-Identifier: Apache-2.0
// cast<T>(e): between every kind of element, with the edges of every range.
#include <molmo/expr/cast.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <cmath>

using namespace molmo;
using fixtures::Numbers;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

const double edges[] = {0.0,         -0.0,        0.99,         -0.99,        1.5,          -1.5,       2.5,
                        126.9,       127.0,       128.0,        -128.0,       -128.9,       -129.0,     254.5,
                        255.0,       256.0,       -1.0,         32767.0,      32768.0,      -32769.0,   16777217.0,
                        2147483520., 2147483647., 2147483648.0, -2147483648., -2147483904., 4294967296, 9e15,
                        9.3e18,      -9.3e18,     1e30,         -1e30,        infinity,     -infinity,  nan_value};
constexpr index_t n_edges = static_cast<index_t>(sizeof(edges) / sizeof(edges[0]));

// The meaning, written out in long double, which holds every int64.
template <class T>
T truncate(double x) {
  if (std::isnan(x)) return 0;
  const long double t = std::trunc(static_cast<long double>(x));
  if (t < static_cast<long double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (t > static_cast<long double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(t);
}

template <class T, class F>
void check_truncation() {
  Numbers<F> x(n_edges);
  Numbers<T> got(n_edges);
  for (index_t i = 0; i < n_edges; ++i) x[i] = static_cast<F>(static_cast<float>(edges[i]));
  if constexpr (std::is_same_v<F, double>)
    for (index_t i = 0; i < n_edges; ++i) x[i] = edges[i];
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, got.tokens()) = cast<T>(x.tokens());
    for (index_t i = 0; i < n_edges; ++i) {
      INFO(static_cast<double>(x[i]) << ", " << cpu.name);
      CHECK(got[i] == truncate<T>(static_cast<double>(x[i])));
    }
  });
}

}  // namespace

TEST_CASE("reals to integers: toward zero, held at the ends of the range, NaN to 0") {
  check_truncation<std::int8_t, float>();
  check_truncation<std::uint8_t, float>();
  check_truncation<std::int16_t, float>();
  check_truncation<std::int32_t, float>();
  check_truncation<std::int64_t, float>();
  check_truncation<std::int32_t, double>();
  check_truncation<std::int64_t, double>();
  check_truncation<std::int32_t, bf16>();
  check_truncation<std::int16_t, f16>();
}

TEST_CASE("integers to reals: the nearest, once") {
  for (const index_t n : {1, 16, 45})
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<std::int64_t> ids(n);
      Numbers<float> single(n);
      Numbers<double> exact(n);
      for (index_t i = 0; i < n; ++i) ids[i] = (i % 2 ? -1 : 1) * ((std::int64_t{1} << (24 + i % 38)) + i);
      on(cpu, single.tokens()) = cast<float>(ids.tokens()) * 0.5f;
      on(cpu, exact.tokens()) = cast<double>(ids.tokens()) + 0.25;
      for (index_t i = 0; i < n; ++i) {
        CHECK(single[i] == static_cast<float>(ids[i]) * 0.5f);
        CHECK(exact[i] == static_cast<double>(ids[i]) + 0.25);
      }
    });
}

TEST_CASE("conditions to numbers and back; NaN is true, as in C++") {
  const index_t n = 37;
  Numbers<float> x(n, 61), y(n);
  for (index_t i = 0; i < n; i += 3) x[i] = i % 2 ? 0.0f : -0.0f;
  x[1] = std::nanf("");
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    Numbers<bool> flags(n), again(n);
    Numbers<std::uint8_t> bytes(n);
    on(cpu, flags.tokens()) = cast<bool>(x.tokens());
    on(cpu, y.tokens()) = cast<float>(flags.tokens()) * 3;
    on(cpu, bytes.tokens()) = cast<std::uint8_t>(x.tokens() > 1);
    on(cpu, again.tokens()) = cast<bool>(bytes.tokens());
    for (index_t i = 0; i < n; ++i) {
      CHECK(flags[i] == (x[i] != 0));
      CHECK(y[i] == (x[i] != 0 ? 3.0f : 0.0f));
      CHECK(bytes[i] == (x[i] > 1 ? 1 : 0));
      CHECK(again[i] == (x[i] > 1));
    }
  });
}

TEST_CASE("cast to 16 bits rounds and goes on in float; integers to fewer bits keep the low ones") {
  const index_t n = 53;
  Numbers<float> x(n, 62), y(n), z(n);
  Numbers<double> wide(n), narrowed(n);
  Numbers<std::int32_t> ids(n), low(n);
  for (index_t i = 0; i < n; ++i)
    ids[i] = static_cast<std::int32_t>(i * 99991 - 700000), wide[i] = 1.0 / static_cast<double>(i + 3);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens()) = cast<bf16>(x.tokens()) - x.tokens();
    on(cpu, z.tokens()) = cast<f16>(ids.tokens());
    on(cpu, narrowed.tokens()) = cast<float>(wide.tokens());
    on(cpu, low.tokens()) = cast<std::int8_t>(ids.tokens()) + 1000;
    for (index_t i = 0; i < n; ++i) {
      CHECK(y[i] == static_cast<float>(bf16(x[i])) - x[i]);
      CHECK(z[i] == static_cast<float>(f16(static_cast<float>(ids[i]))));
      CHECK(narrowed[i] == static_cast<double>(static_cast<float>(wide[i])));
      CHECK(low[i] == static_cast<std::int8_t>(ids[i]) + 1000);
    }
  });
}

TEST_CASE("a real part inside an integer expression inside a real one") {
  const index_t n = 70;
  Numbers<float> x(n, 63, 50), y(n);
  Numbers<std::int32_t> ids(n);
  for (index_t i = 0; i < n; ++i) ids[i] = static_cast<std::int32_t>(i % 7);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens()) = x.tokens() - cast<float>(cast<std::int32_t>(x.tokens() * 2) / 2 + ids.tokens());
    for (index_t i = 0; i < n; ++i)
      CHECK(y[i] == x[i] - static_cast<float>(static_cast<std::int32_t>(x[i] * 2) / 2 + ids[i]));
  });
}

TEST_CASE("an integer becomes the nearest float in a pass in double, too") {
  const index_t n = 19;
  Numbers<std::int64_t> big(n);
  Numbers<double> wide(n);
  // 1 above the middle of two floats, and by way of a double on it
  for (index_t i = 0; i < n; ++i) big[i] = (1LL << 60) + (1LL << 36) + 1;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, wide.tokens()) = cast<float>(big.tokens());
    for (index_t i = 0; i < n; ++i) CHECK(wide[i] == 1152921642045800448.0);
    on(cpu, wide.tokens()) = cast<double>(big.tokens());
    for (index_t i = 0; i < n; ++i) CHECK(wide[i] == static_cast<double>(big[i]));
    on(cpu, wide.tokens()) = cast<bf16>(big.tokens());
    for (index_t i = 0; i < n; ++i) CHECK(wide[i] == std::ldexp(1.0, 60));
  });
}
