// SPDX-License-Identifier: Apache-2.0
// Running sums against plain loops in double.
#include <molmo/expr/cumsum.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

template <class T, index_t D>
void check_cumsum(index_t rows) {
  Numbers<T> x(rows * D, 111), y(rows * D), first(rows * D);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads, " << rows << " x " << D);
    on(cpu, y.template tokens<D>()) = cumsum(x.template tokens<D>());
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r) {
      double total = 0;
      for (index_t c = 0; c < D; ++c) {
        total += static_cast<double>(x[r * D + c]);
        // One rounding (to float first where T has 16 bits): the sum is in double.
        wrong += !(fixtures::ulps(y[r * D + c], total) <= 0.501);
      }
    }
    CHECK(wrong == 0);
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = y;
      CHECK(y.same_bits(first));
    }
    Numbers<T> in_place = x;
    on(cpu, in_place.template tokens<D>()) = cumsum(in_place.template tokens<D>());
    CHECK(in_place.same_bits(y));
  });
}

}  // namespace

TEST_CASE("cumsum along rows of every type and width") {
  check_cumsum<float, 1>(3);
  check_cumsum<float, 50>(800);
  check_cumsum<float, 100000>(2);
  check_cumsum<double, 33>(5);
  check_cumsum<bf16, 70>(6);
  check_cumsum<f16, 31>(7);
}

TEST_CASE("cumsum of an expression and of a vector; NaN from where it stands") {
  Numbers<float> x(24, 112), y(24), row(8, 113);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens<8>()) = cumsum(x.tokens<8>() * row.fixed<8>() - mean(x.tokens<8>()));
    for (index_t r = 0; r < 3; ++r) {
      double m = 0, total = 0;
      for (index_t c = 0; c < 8; ++c) m += static_cast<double>(x[8 * r + c]) / 8;
      for (index_t c = 0; c < 8; ++c) {
        total += static_cast<double>(x[8 * r + c]) * static_cast<double>(row[c]) - m;
        CHECK(y[8 * r + c] == Approx(total).margin(1e-5));  // each term is rounded to float
      }
    }
    on(cpu, y.fixed<24>()) = cumsum(x.fixed<24>());
    CHECK(y[1] == x[0] + x[1]);
    Numbers<float> one_nan = x;
    one_nan[11] = std::numeric_limits<float>::quiet_NaN();
    on(cpu, y.tokens<8>()) = cumsum(one_nan.tokens<8>());
    for (index_t i = 0; i < 24; ++i) CHECK(std::isnan(y[i]) == (i >= 11 && i < 16));
  });
}

TEST_CASE("cumsum into rows that overlap is refused") {
  Numbers<float> x(40, 114);
  const Numbers<float> kept = x;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    CHECK_THROWS_AS(on(cpu, x.tokens<8>().slice(0, 4)) = cumsum(x.tokens<8>().slice(1, 4)), contract_error);
    CHECK(x.same_bits(kept));
  });
}
