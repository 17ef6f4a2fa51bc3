// SPDX-License-Identifier: Apache-2.0
// Reductions against double arithmetic, for every length, with the same bits for every number of threads.
#include <molmo/expr/reduce.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

struct Sums {
  double sum = 0, size = 0, largest = -std::numeric_limits<double>::infinity();
};
template <class T>
Sums sums_of_squares(const Numbers<T>& x, index_t begin, index_t end) {
  Sums s;
  for (index_t i = begin; i < end; ++i) {
    const double v = static_cast<double>(x[i]);
    s.sum += v * v;
    s.size += std::fabs(v * v);
    s.largest = std::max(s.largest, v);
  }
  return s;
}

}  // namespace

TEST_CASE("sum and max_of, every length from 1 to 70 and across the pieces") {
  std::vector<index_t> sizes = {255, 256, 257, 16383, 16384, 16385, 40000, 65537, 1000000, 64 * 16384 + 5};
  for (index_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for (const index_t n : sizes) {
    Numbers<float> x(n, 51), one(n);
    x[n - 1] = 9;  // the largest is in the tail
    const Sums want = sums_of_squares(x, 0, n);
    float first = 0;
    fixtures::for_each_backend([&](const auto& cpu) {
      INFO("n = " << n << ", " << cpu.name << ", " << cpu.threads() << " threads");
      const float s = sum(cpu, x.tokens() * x.tokens());
      CHECK(std::fabs(static_cast<double>(s) - want.sum) <= 4e-6 * want.size);
      CHECK(max_of(cpu, x.tokens()) == 9);
      CHECK(max_of(cpu, x.tokens() - 10) == -1);
      // The same bits for every number of threads (the plain loop adds in another order).
      if (cpu.name == std::string("xsimd")) {
        if (cpu.threads() == 1) first = s;
        CHECK(s == first);
      }
    });
  }
}

TEST_CASE("a reduction of an expression that broadcasts") {
  constexpr index_t tokens = 37, width = 129;
  Numbers<float> x(tokens * width, 52), row(width, 53), column(tokens, 54);
  double want = 0, size = 0, largest = -1e30;
  for (index_t i = 0; i < x.size(); ++i) {
    const double v =
        static_cast<double>(x[i]) * static_cast<double>(row[i % width]) - static_cast<double>(column[i / width]);
    want += v, size += std::fabs(v), largest = std::max(largest, v);
  }
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name);
    CHECK(std::fabs(static_cast<double>(sum(cpu, x.tokens<width>() * row.fixed<width>() - column.tokens())) - want) <
          4e-6 * size);
    CHECK(static_cast<double>(max_of(cpu, x.tokens<width>() * row.fixed<width>() - column.tokens())) ==
          Approx(largest).epsilon(1e-6));
  });
}

namespace {

template <index_t D>
void check_rows(index_t rows) {
  Numbers<float> x(rows * D, 55), s(rows), m(rows), first(rows);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, s.tokens()) = row_sum(x.tokens<D>() * x.tokens<D>());
    on(cpu, m.tokens()) = row_max(x.tokens<D>());
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r) {
      const Sums want = sums_of_squares(x, r * D, (r + 1) * D);
      wrong += !(std::fabs(static_cast<double>(s[r]) - want.sum) <= 2e-6 * want.size);
      wrong += static_cast<double>(m[r]) != want.largest;
    }
    INFO(rows << " x " << D << ", " << cpu.name << ", " << cpu.threads() << " threads");
    CHECK(wrong == 0);
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = s;
      CHECK(s.same_bits(first));
    }
  });
}

}  // namespace

TEST_CASE("row_sum and row_max store one number per row") {
  check_rows<1>(9);
  check_rows<3>(5);
  check_rows<16>(33);
  check_rows<61>(700);
  check_rows<4096>(17);
  check_rows<33000>(3);  // a row of several pieces
  // Static shapes as well.
  Numbers<float> x(6 * 5, 56), s(6);
  on(Reference{}, s.fixed<6>()) = row_sum(x.fixed<6, 5>());
  CHECK(s[5] == Approx(x[25] + x[26] + x[27] + x[28] + x[29]).margin(1e-5));
}

TEST_CASE("RMSNorm in two visible passes") {
  constexpr index_t tokens = 5, width = 96;
  Numbers<float> x(tokens * width, 57), w(width, 58), s(tokens), y(tokens * width);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, s.tokens()) = row_sum(square(x.tokens<width>()));
    on(cpu, y.tokens<width>()) = x.tokens<width>() * rsqrt(s.tokens() / width + 1e-5) * w.fixed<width>();
    for (index_t r = 0; r < tokens; ++r) {
      const double scale = 1 / std::sqrt(sums_of_squares(x, r * width, (r + 1) * width).sum / width + 1e-5);
      for (index_t c = 0; c < width; ++c)
        CHECK(static_cast<double>(y[r * width + c]) ==
              Approx(static_cast<double>(x[r * width + c]) * scale * static_cast<double>(w[c])).epsilon(1e-6));
    }
  });
}

TEST_CASE("operands of double are added in double, bf16 and f16 are widened") {
  Numbers<double> d(1000, 59);
  double want = 0;
  for (index_t i = 1; i < d.size(); ++i) want += d[i];
  d[0] = 1e9;  // taken away again below: in float the others would be lost beside it
  Numbers<bf16> b(1000, 60);
  double b_want = 0;
  for (index_t i = 0; i < b.size(); ++i) b_want += static_cast<double>(b[i]);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    INFO(cpu.name);
    CHECK(static_cast<double>(sum(cpu, d.tokens() - 1e6)) == Approx(want).epsilon(1e-6));
    CHECK(static_cast<double>(sum(cpu, b.tokens())) == Approx(b_want).epsilon(1e-5));
  });
}

TEST_CASE("nothing, NaN and infinity") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    INFO(cpu.name);
    const View<const float, Shape<dyn, 8>> none(nullptr, 0);
    CHECK(sum(cpu, none) == 0);
    CHECK(max_of(cpu, none) == -inf);
    for (const index_t at : {0, 5, 31, 63, 64, 66}) {
      Numbers<float> x(67, 61);
      x[at] = nan;
      CHECK(std::isnan(sum(cpu, x.tokens())));
      CHECK(std::isnan(max_of(cpu, x.tokens())));
      CHECK_FALSE(max_of(cpu, abs(x.tokens() - 1)) < 1e-6f);  // a check of the largest error fails
      x[at] = inf;
      CHECK(max_of(cpu, x.tokens()) == inf);
      CHECK(sum(cpu, x.tokens()) == inf);
      for (index_t i = 0; i < 67; ++i) x[i] = -inf;
      CHECK(max_of(cpu, x.tokens()) == -inf);
    }
  });
}

TEST_CASE("a maximum is NaN where one element is, wherever it stands") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  fixtures::for_each_backend([&](const auto& cpu) {
    for (index_t n = 1; n <= 130; n += 3) {
      Numbers<float> x(n, 64);
      index_t unseen = 0;
      for (index_t at = 0; at < n; ++at) {
        const float kept = x[at];
        x[at] = at % 2 ? nan : -nan;
        unseen += !std::isnan(max_of(cpu, x.tokens()));
        x[at] = kept;
      }
      INFO("n = " << n << ", " << cpu.name << ", " << cpu.threads() << " threads");
      CHECK(unseen == 0);
      CHECK_FALSE(std::isnan(max_of(cpu, x.tokens())));
    }
    constexpr index_t width = 40000;  // several pieces, several threads
    Numbers<float> rows(3 * width, 66), m(3);
    for (const index_t at : {0, 17, 16383, 16384, 39999}) {
      rows[width + at] = nan;
      on(cpu, m.tokens()) = row_max(rows.tokens<width>());
      CHECK((std::isnan(m[1]) && !std::isnan(m[0]) && !std::isnan(m[2])));
      CHECK(std::isnan(max_of(cpu, rows.tokens())));
      rows[width + at] = 0;
    }
  });
}

TEST_CASE("a reduction of doubles is a double") {
  Numbers<double> d(6);
  d[0] = 120000000000.0, d[5] = 601;
  Numbers<float> f(6, 67);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    STATIC_REQUIRE(std::is_same_v<decltype(sum(cpu, d.tokens())), double>);
    STATIC_REQUIRE(std::is_same_v<decltype(max_of(cpu, f.tokens() * d.tokens())), double>);
    STATIC_REQUIRE(std::is_same_v<decltype(sum(cpu, f.tokens() * 2.0)), float>);
    CHECK(sum(cpu, d.tokens()) == 120000000601.0);
    CHECK(max_of(cpu, d.tokens() + 1) == 120000000001.0);
    CHECK(sum(cpu, d.tokens() * 0 + 16777217) == 6 * 16777217.0);  // a whole number that float does not have
  });
}

TEST_CASE("operands of other lengths and overlapping targets are refused") {
  Numbers<float> x(40, 62), y(32, 63), s(5);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    CHECK_THROWS_AS((void)sum(cpu, x.tokens<8>() * y.tokens<8>()), contract_error);
    CHECK_THROWS_AS((void)max_of(cpu, x.tokens<8>() + y.tokens()), contract_error);
    CHECK_THROWS_AS(on(cpu, s.tokens()) = row_sum(x.tokens<8>() * y.tokens<8>()), contract_error);
    CHECK_THROWS_AS(on(cpu, s.tokens()) = row_sum(y.tokens<8>()), contract_error);
    CHECK_THROWS_AS(on(cpu, x.tokens().slice(3, 5)) = row_sum(x.tokens<8>()), contract_error);
    // A column may be its own target.
    on(cpu, s.tokens()) = row_sum(x.tokens<8>());
    Numbers<float> twice = s;
    on(cpu, twice.tokens()) = row_sum(x.tokens<8>() * 0 + twice.tokens() * 0.25f);
    for (index_t r = 0; r < 5; ++r) CHECK(twice[r] == Approx(2 * s[r]));
  });
}
