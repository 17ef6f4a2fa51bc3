// SPDX-License-Identifier: Apache-2.0
// argmax against a plain loop: the first of equals, NaN first of all, every width and type of index.
#include <molmo/expr/argmax.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/backend/xsimd_argmax.hpp>
#endif

#include "expr/fixtures.hpp"
#include "support/catch.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

template <class T>
index_t plain(const Numbers<T>& x, index_t begin, index_t n) {
  index_t best = 0;
  for (index_t i = 1; i < n; ++i) {
    const double a = static_cast<double>(x[begin + i]), b = static_cast<double>(x[begin + best]);
    if (!std::isnan(b) && (a > b || std::isnan(a))) best = i;
  }
  return best;
}

template <class T, class Index, index_t D>
void check_rows(index_t rows) {
  Numbers<T> x(rows * D, 131);
  for (index_t i = 0; i < x.size(); ++i) x[i] = T(std::floor(static_cast<float>(x[i]) * 8));  // many are equal
  std::vector<Index> ids(static_cast<std::size_t>(rows));
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, View<Index, Shape<dyn>>(ids.data(), rows)) = argmax(x.template tokens<D>());
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r) wrong += ids[static_cast<std::size_t>(r)] != plain(x, r * D, D);
    INFO(cpu.name << ", " << cpu.threads() << " threads, " << rows << " x " << D);
    CHECK(wrong == 0);
    CHECK(argmax(cpu, x.template tokens<D>()) == plain(x, 0, rows * D));
  });
}

}  // namespace

TEST_CASE("argmax of rows and of everything") {
  check_rows<float, std::int32_t, 1>(9);
  check_rows<float, std::int64_t, 5>(40);
  check_rows<float, std::int32_t, 16>(7);
  check_rows<float, std::int32_t, 61>(300);
  check_rows<float, std::int64_t, 50001>(3);
  check_rows<bf16, std::int32_t, 100>(20);
  check_rows<double, std::int64_t, 33>(6);
}

TEST_CASE("argmax: NaN is the largest, the first one; -infinity alone is the first; nothing is -1") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    for (const index_t at : {0, 3, 15, 16, 40, 66}) {
      Numbers<float> x(67, 132);
      CHECK(argmax(cpu, x.tokens()) == plain(x, 0, 67));
      x[at] = std::numeric_limits<float>::quiet_NaN(), x[66] = std::numeric_limits<float>::quiet_NaN();
      x[20] = inf;
      CHECK(argmax(cpu, x.tokens()) == at);
    }
    Numbers<float> low(40);
    for (index_t i = 0; i < 40; ++i) low[i] = -inf;
    CHECK(argmax(cpu, low.tokens()) == 0);
    CHECK(argmax(cpu, low.tokens<8>().slice(0, 0)) == -1);
  });
}

TEST_CASE("argmax of an expression, with a row reduction in it") {
  constexpr index_t width = 90, rows = 11;
  Numbers<float> x(rows * width, 133), row(width, 134);
  std::vector<std::int32_t> ids(rows), want(rows);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<std::int32_t, Shape<dyn>> y(ids.data(), rows);
    on(cpu, y) = argmax(abs(x.tokens<width>() - mean(x.tokens<width>())) * row.fixed<width>());
    for (index_t r = 0; r < rows; ++r) {
      double m = 0, best = -HUGE_VAL;
      for (index_t c = 0; c < width; ++c) m += static_cast<double>(x[r * width + c]) / width;
      for (index_t c = 0; c < width; ++c) {
        const double v = std::fabs(static_cast<double>(x[r * width + c]) - m) * static_cast<double>(row[c]);
        if (v > best) best = v, want[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(c);
      }
    }
    CHECK(ids == want);
    CHECK_THROWS_AS(on(cpu, View<std::int32_t, Shape<dyn>>(ids.data(), rows - 1)) = argmax(x.tokens<width>()), contract_error);
  });
}

TEST_CASE("argmax of doubles reduces rows in double") {
  constexpr index_t width = 40;
  Numbers<double> x(width);
  // 1 + 2^-30 is no float: in float all elements were 1, the first of equals.
  for (index_t i = 0; i < width; ++i) x[i] = 1 + std::ldexp(1.0, -30);
  x[7] = 1;
  std::int64_t at = -1;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, View<std::int64_t, Shape<dyn>>(&at, 1)) =
        argmax(abs(x.tokens<width>() - max_of(x.tokens<width>())));
    CHECK(at == 7);
  });
}
