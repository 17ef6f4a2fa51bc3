// SPDX-License-Identifier: Apache-2.0
// map(f, x, ...) with an f that holds something: it keeps it, on every backend, with one to three operands; and an f
// that holds nothing costs nothing.
#include <molmo/ops/matmul/matmul.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

struct Scale {
  float s;
  template <class V>
  MOLMO_INLINE V operator()(V a) const {
    return a * constant<V>(static_cast<double>(s));
  }
};
struct Twice {
  template <class V>
  MOLMO_INLINE V operator()(V a) const {
    return a + a;
  }
};
struct Weighted {
  double a, b, c;
  template <class V>
  MOLMO_INLINE V operator()(V x, V y, V z) const {
    return constant<V>(a) * x + constant<V>(b) * y + constant<V>(c) * z;
  }
};

}  // namespace

TEST_CASE("map keeps what its function holds") {
  constexpr index_t n = 203;
  Numbers<float> x(n, 71), z(n, 72), y(n);
  Numbers<double> d(n);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    INFO(cpu.name);
    index_t wrong = 0;
    on(cpu, y.tokens()) = map(Scale{3}, x.tokens());
    for (index_t i = 0; i < n; ++i) wrong += y[i] != x[i] * 3;
    const float half = 0.5f, offset = 2;
    on(cpu, y.tokens()) =
        map([half, offset](auto a, auto b) {
          using V = decltype(a);
          return a * constant<V>(half) + b * constant<V>(offset);
        }, x.tokens(), z.tokens());
    for (index_t i = 0; i < n; ++i) wrong += std::fabs(y[i] - (x[i] * half + z[i] * offset)) > 1e-5f;
    on(cpu, y.tokens()) = map(Weighted{2, -1, 0.25}, x.tokens(), 1, z.tokens()) + 1;
    for (index_t i = 0; i < n; ++i) wrong += std::fabs(y[i] - (2 * x[i] - 1 + z[i] / 4 + 1)) > 1e-5f;
    on(cpu, d.tokens()) = map(Scale{4}, x.tokens());
    for (index_t i = 0; i < n; ++i) wrong += d[i] != static_cast<double>(x[i]) * 4;
    on(cpu, y.tokens()) = map(Scale{2}, map(Scale{3}, x.tokens())) - map(Twice{}, map(Scale{3}, x.tokens()));
    for (index_t i = 0; i < n; ++i) wrong += y[i] != 0;
    CHECK(wrong == 0);
    CHECK(sum(cpu, map(Scale{2}, x.tokens())) == Approx(2 * sum(cpu, x.tokens())).epsilon(1e-5));
  });
}

TEST_CASE("map keeps what its function holds where rows and columns broadcast, and after a matmul") {
  Tensor<float, dyn, 5> x(3), y(3);
  Tensor<float, 5> row;
  Tensor<float, dyn> column(3);
  Tensor<float, 5, 5> w;
  for (index_t i = 0; i < 15; ++i) x[i] = static_cast<float>(i);
  for (index_t i = 0; i < 5; ++i) row[i] = 10, w(i, i) = 1;
  for (index_t i = 0; i < 3; ++i) column[i] = 100;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y) = map(Weighted{1, 2, 3}, x, row, column);
    for (index_t i = 0; i < 15; ++i) CHECK(y[i] == x[i] + 320);
  });
  on(Reference{}, y) = matmul(x, w).then(map(Scale{3}, acc)).then(map(Scale{2}, acc + row));
  for (index_t i = 0; i < 15; ++i) CHECK(y[i] == 2 * (3 * x[i] + 10));
}

TEST_CASE("a lambda that captures nothing is a type and nothing more; one that does adds what it captures") {
  const View<const float, Shape<64>> v;
  const float s = 2;
  const auto plain = map([](auto a) { return a * a; }, v);
  const auto held = map([s](auto a) { return a * constant<decltype(a)>(s); }, v);
  STATIC_REQUIRE(sizeof(plain) == sizeof(v));
  STATIC_REQUIRE(sizeof(map(Twice{}, v + v)) == 2 * sizeof(v));
  STATIC_REQUIRE(sizeof(held) == 2 * sizeof(v));
  STATIC_REQUIRE(std::is_trivially_copyable_v<decltype(held)>);
  STATIC_REQUIRE(std::is_same_v<decltype(map(Twice{}, v)), Map1<Twice, Leaf<float, Shape<64>, Host>>>);
}
