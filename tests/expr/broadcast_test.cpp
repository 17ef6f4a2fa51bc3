// SPDX-License-Identifier: Apache-2.0
// Operands of fewer axes, and operands whose rows lie apart, beside full ones: every element is found where plain loops
// over the axes find it, exactly, on every backend.
#include <molmo/core/views.hpp>
#include <molmo/expr/reduce.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

constexpr index_t heads_count = 3;

template <class A, class B, class Want>
constexpr bool give =
    std::is_same_v<detail::broadcast_t<A, B>, Want> && std::is_same_v<detail::broadcast_t<B, A>, Want>;
template <class A, class B>
constexpr bool differ = !detail::Broadcast<A, B>::ok && !detail::Broadcast<B, A>::ok;

// y = x + operand on every backend; where(t, h, c) is the operand's element as the axes say it.
template <index_t D, class X, class Where>
void check_beside_heads(index_t n, const X& operand, Where&& where) {
  Numbers<float> x(n * heads_count * D, 51);
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<float> y(n * heads_count * D);
    on(cpu, y.tokens<heads_count, D>()) = x.tokens<heads_count, D>() + operand;
    index_t wrong = 0;
    for (index_t t = 0; t < n; ++t)
      for (index_t h = 0; h < heads_count; ++h)
        for (index_t c = 0; c < D; ++c) {
          const index_t i = (t * heads_count + h) * D + c;
          wrong += y[i] != x[i] + where(t, h, c);
        }
    INFO("n = " << n << ", D = " << D << ", " << cpu.name << " with " << cpu.threads());
    CHECK(wrong == 0);
  });
}

template <index_t D>
void check_heads(index_t n) {
  constexpr index_t H = heads_count;
  Numbers<float> a(n * H * D, 52);
  const auto at = [&](index_t i) { return a[i]; };
  check_beside_heads<D>(n, a.fixed<H, D>(), [&](index_t, index_t h, index_t c) { return at(h * D + c); });
  check_beside_heads<D>(n, a.fixed<D>(), [&](index_t, index_t, index_t c) { return at(c); });
  check_beside_heads<D>(n, a.fixed<1, D>(), [&](index_t, index_t, index_t c) { return at(c); });
  check_beside_heads<D>(n, a.fixed<H, 1>(), [&](index_t, index_t h, index_t) { return at(h); });
  check_beside_heads<D>(n, a.tokens().slice(0, n), [&](index_t t, index_t, index_t) { return at(t); });
  check_beside_heads<D>(n, a.tokens<H>().slice(0, n), [&](index_t t, index_t h, index_t) { return at(t * H + h); });
  check_beside_heads<D>(n, a.tokens<1, D>().slice(0, n), [&](index_t t, index_t, index_t c) { return at(t * D + c); });
  check_beside_heads<D>(n, a.tokens<H, 1>().slice(0, n), [&](index_t t, index_t h, index_t) { return at(t * H + h); });
  check_beside_heads<D>(n, View<float, Shape<>>(a.data()), [&](index_t, index_t, index_t) { return at(0); });
}

}  // namespace

TEST_CASE("shapes combine from the last axis on; two that have tokens, from the first on") {
  STATIC_REQUIRE(give<Shape<dyn, 4, 8>, Shape<4, 8>, Shape<dyn, 4, 8>>);
  STATIC_REQUIRE(give<Shape<dyn, 4, 8>, Shape<8>, Shape<dyn, 4, 8>>);
  STATIC_REQUIRE(give<Shape<dyn, 4, 8>, Shape<dyn>, Shape<dyn, 4, 8>>);
  STATIC_REQUIRE(give<Shape<dyn, 4, 8>, Shape<dyn, 4>, Shape<dyn, 4, 8>>);
  STATIC_REQUIRE(give<Shape<dyn, 4, 8>, Shape<dyn, 1, 8>, Shape<dyn, 4, 8>>);
  STATIC_REQUIRE(give<Shape<dyn, 4, 8>, Shape<4, 1>, Shape<dyn, 4, 8>>);
  STATIC_REQUIRE(give<Shape<4, 300>, Shape<4, 1>, Shape<4, 300>>);
  STATIC_REQUIRE(give<Shape<dyn, 1>, Shape<300>, Shape<dyn, 300>>);  // an outer product
  STATIC_REQUIRE(give<Shape<4, 1>, Shape<1, 300>, Shape<4, 300>>);
  STATIC_REQUIRE(give<Shape<dyn>, Shape<dyn, 1>, Shape<dyn, 1>>);
  STATIC_REQUIRE(give<Shape<>, Shape<dyn, 8>, Shape<dyn, 8>>);
  STATIC_REQUIRE(differ<Shape<dyn, 64>, Shape<8, 64>>);
  STATIC_REQUIRE(differ<Shape<4, 300>, Shape<4>>);  // a column of static rows is Shape<4, 1>
  STATIC_REQUIRE(differ<Shape<dyn, 4, 8>, Shape<dyn, 8>>);
  STATIC_REQUIRE(differ<Shape<dyn>, Shape<8>>);
  STATIC_REQUIRE(differ<Shape<dyn>, Shape<4, 1>>);
  STATIC_REQUIRE(differ<Shape<4096>, Shape<4097>>);
}

TEST_CASE("beside heads may stand heads, a row, a column, and one number per head") {
  for (const index_t n : {0, 1, 5}) {
    check_heads<5>(n);
    check_heads<64>(n);
  }
  check_heads<17>(1000);  // shared among threads
}

TEST_CASE("a column beside static rows, and an outer product") {
  Numbers<float> x(4 * 300, 53), column(4, 54), row(300, 55), y(4 * 300);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.fixed<4, 300>()) = x.fixed<4, 300>() * column.fixed<4, 1>() + row.fixed<300>();
    for (index_t i = 0; i < 1200; ++i)
      REQUIRE(y[i] == Approx(x[i] * column[i / 300] + row[i % 300]).epsilon(1e-5).margin(1e-5));
    on(cpu, y.tokens<300>()) = column.tokens<1>() * row.fixed<300>();
    for (index_t i = 0; i < 1200; ++i) REQUIRE(y[i] == column[i / 300] * row[i % 300]);
  });
}

TEST_CASE("four axes, of which two groups spread") {
  Numbers<float> x(4 * 30, 56), inner(15, 57), outer(8, 58), y(4 * 30);
  const auto all = [](Numbers<float>& v) { return v.tokens<2, 3, 5>(); };
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, all(y)) = all(x) + inner.fixed<3, 5>() + outer.tokens<2>();
    for (index_t i = 0; i < 120; ++i) REQUIRE(y[i] == x[i] + inner[i % 15] + outer[i / 15]);
  });
}

TEST_CASE("strided operands of every element type") {
  const auto check = [&]<class T>(T) {
    Numbers<T> x(9 * 40, 59), y(9 * 18);
    const auto q = columns<7, 18>(x.template tokens<40>());
    fixtures::for_each_backend([&](const auto& cpu) {
      on(cpu, y.template tokens<18>()) = q;
      for (index_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == x[i / 18 * 40 + 7 + i % 18]);
      on(cpu, y.template tokens<2, 9>()) = heads<2>(q);  // two distances
      for (index_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == x[i / 18 * 40 + 7 + i % 18]);
      on(cpu, y.template tokens<18>().slice(0, 3)) = every(q, 4);
      for (index_t i = 0; i < 3 * 18; ++i) REQUIRE(y[i] == x[i / 18 * 160 + 7 + i % 18]);
      on(cpu, y.template tokens<18>()) = columns<3, 1>(q) * 1;  // one number per row, 40 apart
      for (index_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == x[i / 18 * 40 + 10]);
    });
  };
  check(float{});
  check(double{});
  check(bf16{});
  check(f16{});
}

TEST_CASE("reductions of operands whose rows lie apart") {
  Numbers<float> x(90 * 50), s(90);
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 101 - 50);  // sums of these are exact
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto part = columns<11, 37>(x.tokens<50>());
    double all = 0;
    std::vector<float> of_row;
    for (index_t t = 0; t < 90; ++t) {
      double row = 0;
      for (index_t c = 0; c < 37; ++c) row += x[t * 50 + 11 + c];
      of_row.push_back(static_cast<float>(row));
      all += row;
    }
    CHECK(sum(cpu, part) == static_cast<float>(all));
    CHECK(sum(cpu, heads<37>(part) * 1) == static_cast<float>(all));
    CHECK(max_of(cpu, columns<0, 1>(every(part, 90, 3)) + 0) == x[3 * 50 + 11]);
    on(cpu, s.tokens()) = row_sum(part);
    for (index_t t = 0; t < 90; ++t) REQUIRE(s[t] == of_row[static_cast<std::size_t>(t)]);
  });
}
