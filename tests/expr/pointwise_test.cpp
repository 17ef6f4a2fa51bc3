// SPDX-License-Identifier: Apache-2.0
// Operators, broadcasting, element types, lengths with every tail, many threads: against double arithmetic.
#include <molmo/expr/pointwise.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

TEST_CASE("+ - * / and unary minus, every length from 1 to 70 and far beyond") {
  std::vector<index_t> sizes = {127, 128, 129, 1000, 4095, 65537, 1000000};
  for (index_t n = 1; n <= 70; ++n) sizes.push_back(n);
  fixtures::for_each_backend([&](const auto& cpu) {
    for (const index_t n : sizes) {
      Numbers<float> a(n, 1), b(n, 2), y(n);
      on(cpu, y.tokens()) = -(a.tokens() + b.tokens()) * a.tokens() - 3 / b.tokens();
      double worst = 0;
      for (index_t i = 0; i < n; ++i) {
        const double da = a[i], db = b[i];
        const double want = -(da + db) * da - 3 / db;
        const double scale = std::fabs((da + db) * da) + std::fabs(3 / db);
        worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - want) / scale);
      }
      INFO("n = " << n << ", " << cpu.name);
      CHECK(worst < 2.5e-7);
    }
  });
}

TEST_CASE("numbers stand on either side and are rounded to the type of the calculation") {
  Numbers<float> x(37, 3), y(37);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens()) = 0.1 + x.tokens() * 3 - 1.0f;
    for (index_t i = 0; i < 37; ++i) CHECK(y[i] == Approx(0.1f + x[i] * 3 - 1.0f).epsilon(1e-6));
    on(cpu, y.tokens()) = 2 - x.tokens();
    for (index_t i = 0; i < 37; ++i) CHECK(y[i] == 2 - x[i]);
    on(cpu, y.tokens()) = 5;  // a number alone fills
    for (index_t i = 0; i < 37; ++i) CHECK(y[i] == 5);
  });
}

namespace {

template <index_t D>
void check_broadcast(index_t tokens) {
  Numbers<float> x(tokens * D, 4), row(D, 5), column(tokens, 6), y(tokens * D);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<D>()) = (x.tokens<D>() - column.tokens()) * row.fixed<D>() + 1.5f;
    index_t wrong = 0;
    for (index_t r = 0; r < tokens; ++r)
      for (index_t c = 0; c < D; ++c) {
        const double want =
            (static_cast<double>(x[r * D + c]) - static_cast<double>(column[r])) * static_cast<double>(row[c]) + 1.5;
        wrong += std::fabs(static_cast<double>(y[r * D + c]) - want) > 1e-5;
      }
    INFO(tokens << " x " << D << ", " << cpu.name);
    CHECK(wrong == 0);
    // The other way round, and a root made of a column and a row only where the target says so.
    on(cpu, y.tokens<D>()) = column.tokens() * x.tokens<D>();
    CHECK(y[tokens * D - 1] == column[tokens - 1] * x[tokens * D - 1]);
    on(cpu, y.tokens<D>()) = silu(row.fixed<D>() + row.fixed<D>()) * 0 + row.fixed<D>();
    for (const index_t r : {index_t{0}, tokens - 1})
      for (index_t c = 0; c < D; ++c) wrong += y[r * D + c] != row[c];
    on(cpu, y.tokens<D>()) = column.tokens();
    for (index_t r = 0; r < tokens; ++r) wrong += y[r * D] != column[r] || y[r * D + D - 1] != column[r];
    CHECK(wrong == 0);
  });
}

}  // namespace

TEST_CASE("rows, columns and scalars broadcast") {
  check_broadcast<1>(5);
  check_broadcast<3>(7);
  check_broadcast<16>(4);
  check_broadcast<17>(33);
  check_broadcast<70>(1);
  check_broadcast<129>(600);
  check_broadcast<1024>(65);
}

TEST_CASE("static shapes of two and three axes; a row under each of them") {
  Numbers<float> x(6 * 5, 7), row(5, 8), y(6 * 5);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.fixed<2, 3, 5>()) = x.fixed<2, 3, 5>() + row.fixed<5>();
    for (index_t i = 0; i < 30; ++i) CHECK(y[i] == x[i] + row[i % 5]);
    on(cpu, y.fixed<6, 5>()) = x.fixed<6, 5>() * row.fixed<5>();
    for (index_t i = 0; i < 30; ++i) CHECK(y[i] == x[i] * row[i % 5]);
    on(cpu, y.tokens<3, 5>()) = x.tokens<3, 5>() - row.fixed<5>();
    for (index_t i = 0; i < 30; ++i) CHECK(y[i] == x[i] - row[i % 5]);
  });
}

namespace {

template <class Out, class In>
void check_types() {
  constexpr index_t n = 133;
  Numbers<In> a(n, 9);
  Numbers<float> b(n, 10);
  Numbers<Out> y(n);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens()) = a.tokens() * b.tokens() + 0.25f;
    double worst = 0;
    for (index_t i = 0; i < n; ++i) {
      const double product = static_cast<double>(a[i]) * static_cast<double>(b[i]);
      const double want = product + 0.25;
      // One rounding to Out, and float arithmetic before it where nothing is double.
      const bool wide = std::is_same_v<Out, double> || std::is_same_v<In, double>;
      const double allowed = 0.501 * fixtures::unit<Out>(want) + (wide ? 1e-15 : 1.5e-7) * (std::fabs(product) + 1);
      worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - want) / allowed);
    }
    INFO(cpu.name);
    CHECK(worst <= 1);
  });
}

}  // namespace

TEST_CASE("float, double, bf16 and f16 mix; double where an operand or the target is double") {
  check_types<float, float>();
  check_types<float, bf16>();
  check_types<float, f16>();
  check_types<float, double>();
  check_types<double, float>();
  check_types<double, double>();
  check_types<bf16, bf16>();
  check_types<bf16, float>();
  check_types<f16, f16>();
  check_types<f16, bf16>();
}

TEST_CASE("expressions may be kept in a variable, as their operands live") {
  Numbers<float> a(50, 11), b(50, 12), y(50), z(50);
  const auto e = silu(a.tokens() + b.tokens()) * 2;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens()) = e;
    on(cpu, z.tokens()) = silu(a.tokens() + b.tokens()) * 2;
    CHECK(y.same_bits(z));
  });
}
