// SPDX-License-Identifier: Apache-2.0
// on(ctx, y) = e: what may overlap, what is refused, and that nothing is written when it is.
#include <molmo/core/views.hpp>
#include <molmo/expr/assign.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <string>

using namespace molmo;
using fixtures::has;
using fixtures::Numbers;
using fixtures::refusal;

TEST_CASE("the target may be one of the operands") {
  for (const index_t n : {1, 7, 64, 1000, 70001})
    fixtures::for_each_backend([&](const auto& cpu) {
      Numbers<float> x(n, 31), y(n, 32), want(n);
      on(Reference{}, want.tokens()) = y.tokens() * 2 + x.tokens() * y.tokens();
      on(cpu, y.tokens()) = y.tokens() * 2 + x.tokens() * y.tokens();
      double worst = 0;
      for (index_t i = 0; i < n; ++i) worst = std::max(worst, std::fabs(static_cast<double>(y[i] - want[i])));
      INFO("n = " << n << ", " << cpu.name);
      CHECK(worst < 1e-5);
    });
  // Also where a row and a column broadcast.
  Numbers<float> x(40, 33), row(8, 34), column(5, 35), want(40);
  for (index_t i = 0; i < 40; ++i) want[i] = x[i] * row[i % 8] + column[i / 8];
  on(Reference{}, x.tokens<8>()) = x.tokens<8>() * row.fixed<8>() + column.tokens();
  for (index_t i = 0; i < 40; ++i) CHECK(x[i] == Approx(want[i]).epsilon(1e-6));
}

TEST_CASE("bf16 and f16 of the same size may share their place, index for index") {
  Numbers<bf16> x(100, 36);
  std::vector<float> want;
  for (index_t i = 0; i < 100; ++i) want.push_back(x[i] * 2);
  View<f16, Shape<dyn>> as_f16(reinterpret_cast<f16*>(x.data()), 100);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, as_f16) = x.tokens() * 2;
    for (index_t i = 0; i < 100; ++i) CHECK(static_cast<float>(as_f16[i]) == want[static_cast<std::size_t>(i)]);
    on(cpu, x.tokens()) = as_f16 * 0.5f;
  });
}

TEST_CASE("an operand that overlaps the target at another index is refused, and nothing is written") {
  Numbers<float> x(100, 37);
  const Numbers<float> before = x;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto all = x.tokens();
    for (const index_t shift : {1, 4, 49}) {
      CHECK(has(refusal([&] { on(cpu, all.slice(shift, 50)) = all.slice(0, 50) + 1; }), "overlaps"));
      CHECK(has(refusal([&] { on(cpu, all.slice(0, 50)) = 2 * silu(all.slice(shift, 50)); }), "overlaps"));
    }
    // Half of the width at the same address: other indices.
    const View<bf16, Shape<dyn>> narrow(reinterpret_cast<bf16*>(x.data()), 100);
    CHECK(has(refusal([&] { on(cpu, narrow) = all * 2; }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, all) = narrow * 2; }), "overlaps"));
    // The target's own first row, and the same numbers seen as another shape.
    CHECK(has(refusal([&] { on(cpu, x.tokens<10>()) = x.tokens<10>() + x.fixed<10>(); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, x.tokens<1>()) = x.tokens<1>() * x.tokens(); }), "overlaps"));
    CHECK(x.same_bits(before));
    // Side by side is fine.
    CHECK(refusal([&] { on(cpu, all.slice(0, 50)) = all.slice(50, 50) * 1; }) == "");
    CHECK(x[7] == before[57]);
    x = before;
  });
}

TEST_CASE("operands with different numbers of tokens are refused, wherever they stand") {
  Numbers<float> a(40, 38), b(32, 39), y(40), row(8, 40), column(4, 41);
  const Numbers<float> before = y;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = a.tokens<8>() + b.tokens<8>(); }), "tokens"));
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = b.tokens<8>() + row.fixed<8>(); }), "tokens"));
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = a.tokens<8>() * column.tokens(); }), "tokens"));
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = row.fixed<8>() + (a.tokens<8>() - silu(b.tokens<8>())); }),
              "tokens"));
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = b.tokens<8>(); }), "tokens"));
    CHECK(y.same_bits(before));
  });
}

TEST_CASE("no tokens: nothing is read and nothing written") {
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<float, Shape<dyn, 8>> none(nullptr, 0);
    CHECK(refusal([&] { on(cpu, none) = silu(none) + none; }) == "");
    Numbers<float> row(8, 42);
    CHECK(refusal([&] { on(cpu, none) = none * row.fixed<8>(); }) == "");
  });
}

TEST_CASE("tensors are targets and operands themselves") {
  Tensor<float, dyn, 16> x(3), y(3);
  Tensor<float, 16> row;
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  for (index_t i = 0; i < 16; ++i) row[i] = 100;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y) = x + row;
    for (index_t i = 0; i < y.size(); ++i) CHECK(y[i] == static_cast<float>(i) + 100);
  });
}

TEST_CASE("a pass does not touch what lies beside its target") {
  for (index_t n = 1; n <= 70; ++n)
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<float> x(n, 43), y(n + 2);
      Numbers<bf16> narrow(n + 2);
      y[0] = y[n + 1] = -7;
      narrow[0] = narrow[n + 1] = bf16(-7.0f);
      on(cpu, y.tokens().slice(1, n)) = x.tokens() + 1;
      on(cpu, narrow.tokens().slice(1, n)) = x.tokens() + 1;
      INFO("n = " << n << ", " << cpu.name);
      CHECK((y[0] == -7 && y[n + 1] == -7));
      CHECK((narrow[0] == -7 && narrow[n + 1] == -7));
      CHECK((y[1] == x[0] + 1 && y[n] == x[n - 1] + 1));
    });
}

TEST_CASE("slices of columns are targets; what lies between them stays") {
  const auto check = [&]<class T>(T) {
    fixtures::for_each_backend([&](const auto& cpu) {
      Numbers<T> x(700 * 53, 44);
      const Numbers<T> before = x;
      const auto all = x.template tokens<53>();
      on(cpu, columns<3, 20>(all)) = columns<23, 20>(all);  // side by side: apart
      for (index_t i = 0; i < x.size(); ++i) {
        const index_t c = i % 53;
        REQUIRE(x[i] == before[c >= 3 && c < 23 ? i + 20 : i]);
      }
      x = before;
      on(cpu, columns<3, 20>(all)) *= 2;  // the same place
      on(cpu, heads<2>(columns<23, 30>(all))) = heads<2>(columns<23, 30>(all)) * 4;
      for (index_t i = 0; i < x.size(); ++i) {
        const float by = i % 53 < 3 ? 1 : i % 53 < 23 ? 2 : 4;
        REQUIRE(static_cast<float>(x[i]) == by * static_cast<float>(before[i]));
      }
      x = before;
      on(cpu, columns<0, 1>(every(all, 2, 1))) = 7;
      for (index_t i = 0; i < x.size(); ++i)
        REQUIRE(static_cast<float>(x[i]) == (i % 106 == 53 ? 7.0f : static_cast<float>(before[i])));
    });
  };
  check(float{});
  check(double{});
  check(bf16{});
}

TEST_CASE("slices that overlap at another index are refused, and nothing is written") {
  Numbers<float> x(10 * 16, 45);
  const Numbers<float> before = x;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto all = x.tokens<16>();
    CHECK(has(refusal([&] { on(cpu, columns<0, 4>(all)) = columns<3, 4>(all); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, columns<0, 4>(all)) = columns<0, 4>(all.slice(0, 9)); }), "tokens"));
    CHECK(has(refusal([&] { on(cpu, columns<0, 4>(all.slice(0, 9))) = columns<0, 4>(all.slice(1, 9)); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, every(all, 2)) = all.slice(0, 5) * 1; }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, columns<0, 4>(all)) = all.data[0] * columns<0, 1>(all); }), "overlaps"));
    const View<float, Shape<dyn, 16>, Host, 8> windows(x.data(), 9);  // each shares half of the one before
    CHECK(has(refusal([&] { on(cpu, windows) = 0; }), "overlap"));
    CHECK(x.same_bits(before));
    CHECK(refusal([&] { on(cpu, every(all, 2)) = every(all, 2, 1) * 1; }) == "");
    x = before;
  });
}

TEST_CASE("+= -= *= /= are one pass with the target as first operand") {
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<float> y(7 * 37, 46), x(7 * 37, 47), row(37, 48), column(7, 49), want(7 * 37);
    for (index_t i = 0; i < y.size(); ++i) {
      float v = y[i];
      v = v + x[i];
      v = v - row[i % 37];
      v = v * column[i / 37];
      v = v / 4;
      want[i] = v;
    }
    on(cpu, y.tokens<37>()) += x.tokens<37>();
    on(cpu, y.tokens<37>()) -= row.fixed<37>();
    on(cpu, y.tokens<37>()) *= column.tokens();
    on(cpu, y.tokens<37>()) /= 4;
    CHECK(y.same_bits(want));
    Tensor<double, 5> d;
    on(cpu, d) += 1e-9;
    on(cpu, d) -= 1;
    for (index_t i = 0; i < 5; ++i) CHECK(d[i] == 1e-9 - 1);
    CHECK(has(refusal([&] { on(cpu, y.tokens().slice(0, 50)) += y.tokens().slice(1, 50); }), "overlaps"));
  });
}
