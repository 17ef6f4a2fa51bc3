// SPDX-License-Identifier: Apache-2.0
// Reductions over tokens against plain loops in double: widths across strips, heads, types, broadcasting, threads.
#include <molmo/expr/token_reduce.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/backend/xsimd_tokens.hpp>
#endif

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

template <class T, index_t D>
void check_columns(index_t tokens) {
  Numbers<T> x(tokens * D, 121);
  Numbers<float> w(D, 122), sums(D), means(D), most(D), least(D), first(4 * D), all(4 * D);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads, " << tokens << " x " << D);
    const auto v = x.template tokens<D>();
    on(cpu, sums.fixed<D>()) = token_sum(v * w.fixed<D>());
    on(cpu, means.fixed<D>()) = token_mean(v);
    on(cpu, most.fixed<D>()) = token_max(v);
    on(cpu, least.fixed<D>()) = token_min(v);
    index_t wrong = 0;
    for (index_t c = 0; c < D; ++c) {
      double sum = 0, size = 0, top = -HUGE_VAL, bottom = HUGE_VAL;
      for (index_t t = 0; t < tokens; ++t) {
        const double a = static_cast<double>(x[t * D + c]);
        sum += a, size += std::fabs(a), top = std::max(top, a), bottom = std::min(bottom, a);
      }
      // 16 floats, added one after another, and the rest in double: at most 16 roundings of 6e-8, and the last one.
      const double weight = static_cast<double>(w[c]);
      wrong += !(std::fabs(static_cast<double>(sums[c]) - sum * weight) <= 1e-6 * size * std::fabs(weight));
      wrong += !(std::fabs(static_cast<double>(means[c]) - sum / static_cast<double>(tokens)) <=
                 1e-6 * size / static_cast<double>(tokens));
      wrong += static_cast<double>(most[c]) != top;
      wrong += static_cast<double>(least[c]) != bottom;
      all[c] = sums[c], all[D + c] = means[c], all[2 * D + c] = most[c], all[3 * D + c] = least[c];
    }
    CHECK(wrong == 0);
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = all;
      CHECK(all.same_bits(first));
    }
  });
}

}  // namespace

TEST_CASE("sums, means and extremes over tokens") {
  check_columns<float, 1>(1);
  check_columns<float, 1>(40000);
  check_columns<float, 7>(17);
  check_columns<float, 64>(1000);
  check_columns<float, 515>(129);
  check_columns<float, 1600>(33);
  check_columns<bf16, 200>(300);
  check_columns<f16, 31>(5);
}

TEST_CASE("heads are summed each for itself, with columns and rows beside them, and doubles in double") {
  constexpr index_t tokens = 203, heads = 3, width = 37;
  Numbers<float> x(tokens * heads * width, 123), y(heads * width), z(heads * width), row(width, 124);
  Numbers<double> d(tokens * 5, 125), ds(5);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    on(cpu, y.fixed<heads, width>()) = token_sum(x.tokens<heads, width>());
    on(cpu, z.fixed<heads, width>()) = token_sum(x.tokens<heads, width>() * row.fixed<width>());
    for (index_t i = 0; i < heads * width; ++i) {
      double want = 0, size = 0;
      for (index_t t = 0; t < tokens; ++t) {
        want += static_cast<double>(x[t * heads * width + i]);
        size += std::fabs(static_cast<double>(x[t * heads * width + i]));
      }
      CHECK(std::fabs(static_cast<double>(y[i]) - want) <= 1e-6 * size);
      const double w = static_cast<double>(row[i % width]);
      CHECK(std::fabs(static_cast<double>(z[i]) - want * w) <= 1e-6 * size * std::fabs(w));
    }
    on(cpu, ds.fixed<5>()) = token_sum(d.tokens<5>() + 1e9);
    for (index_t c = 0; c < 5; ++c) {
      double want = 0;
      for (index_t t = 0; t < tokens; ++t) want += d[t * 5 + c] + 1e9;
      CHECK(ds[c] == want);
    }
  });
}

TEST_CASE("no tokens, NaN in one column, overlaps") {
  Numbers<float> x(40 * 21, 126), y(21), nothing(21);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<const float, Shape<dyn, 21>> none(nullptr, 0);
    on(cpu, y.fixed<21>()) = token_sum(none);
    for (index_t c = 0; c < 21; ++c) CHECK(y[c] == 0);
    on(cpu, y.fixed<21>()) = token_max(none);
    CHECK(y[20] == -std::numeric_limits<float>::infinity());
    on(cpu, y.fixed<21>()) = token_min(none);
    CHECK(y[20] == std::numeric_limits<float>::infinity());
    on(cpu, y.fixed<21>()) = token_mean(none);
    CHECK(std::isnan(y[20]));
    Numbers<float> one_nan = x;
    one_nan[21 * 33 + 5] = std::numeric_limits<float>::quiet_NaN();
    const auto only_5 = [&] {
      for (index_t c = 0; c < 21; ++c) CHECK(std::isnan(y[c]) == (c == 5));
    };
    on(cpu, y.fixed<21>()) = token_sum(one_nan.tokens<21>());
    only_5();
    on(cpu, y.fixed<21>()) = token_max(one_nan.tokens<21>());
    only_5();
    on(cpu, y.fixed<21>()) = token_min(one_nan.tokens<21>());
    only_5();
    CHECK_THROWS_AS((on(cpu, View<float, Shape<21>>(x.data() + 21)) = token_sum(x.tokens<21>())), contract_error);
    CHECK_THROWS_AS(on(cpu, y.fixed<21>()) = token_sum(x.tokens<21>() + y.fixed<21>()), contract_error);
  });
}
