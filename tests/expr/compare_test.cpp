// SPDX-License-Identifier: Apache-2.0
// < <= > >= == != of operands and && || ! of conditions: on every backend and width what C++ says of the elements.
#include <molmo/expr/compare.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <cmath>

using namespace molmo;
using fixtures::Numbers;

namespace {

const double nan_value = std::nan("");
const double infinity = std::numeric_limits<double>::infinity();

// Numbers of which many are equal, and some NaN or infinite.
template <class T>
Numbers<T> reals(index_t n, std::uint32_t seed) {
  Numbers<T> x(n, seed, 3);
  for (index_t i = 0; i < n; ++i) {
    const double special[] = {nan_value, infinity, -infinity, 0.0, -0.0};
    const double whole = std::floor(static_cast<double>(static_cast<float>(x[i])));
    const auto pick = static_cast<std::size_t>(i * 7 + static_cast<index_t>(seed)) % 19;
    x[i] = static_cast<T>(static_cast<float>(pick < 5 ? special[pick] : whole));
  }
  return x;
}

template <class T>
void check_all(index_t n) {
  Numbers<T> x = reals<T>(n, 3), y = reals<T>(n, 5);
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<bool> less(n), at_most(n), more(n), at_least(n), equal(n), unequal(n), beside_number(n);
    on(cpu, less.tokens()) = x.tokens() < y.tokens();
    on(cpu, at_most.tokens()) = x.tokens() <= y.tokens();
    on(cpu, more.tokens()) = x.tokens() > y.tokens();
    on(cpu, at_least.tokens()) = x.tokens() >= y.tokens();
    on(cpu, equal.tokens()) = x.tokens() == y.tokens();
    on(cpu, unequal.tokens()) = x.tokens() != y.tokens();
    on(cpu, beside_number.tokens()) = 1 >= x.tokens();
    index_t wrong = 0;
    for (index_t i = 0; i < n; ++i) {
      const auto a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
      wrong += less[i] != (a < b) || at_most[i] != (a <= b) || more[i] != (a > b) || at_least[i] != (a >= b) ||
               equal[i] != (a == b) || unequal[i] != (a != b) || beside_number[i] != (1 >= a);
    }
    INFO("n = " << n << ", " << cpu.name);
    CHECK(wrong == 0);
  });
}

}  // namespace

TEST_CASE("comparisons of reals are those of C++, NaN, infinities and -0 included") {
  for (const index_t n : {1, 5, 8, 16, 33, 100, 40003}) {
    check_all<float>(n);
    check_all<double>(n);
  }
  for (const index_t n : {7, 64, 101}) {
    check_all<bf16>(n);
    check_all<f16>(n);
  }
}

TEST_CASE("comparisons of integers are exact where floats and doubles are not") {
  const std::int64_t above_24 = (std::int64_t{1} << 24) + 1, above_53 = (std::int64_t{1} << 53) + 1;
  for (const index_t n : {1, 9, 37})
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<std::int64_t> a(n), b(n);
      Numbers<std::int32_t> narrow(n);
      for (index_t i = 0; i < n; ++i) {
        a[i] = above_53 + i, b[i] = above_53 + i - (i % 2);
        narrow[i] = static_cast<std::int32_t>(above_24 - (i % 2));
      }
      Numbers<bool> less(n), equal(n), exact(n), narrow_equal(n);
      on(cpu, less.tokens()) = b.tokens() < a.tokens();
      on(cpu, equal.tokens()) = a.tokens() == b.tokens();
      on(cpu, exact.tokens()) = a.tokens() == 9007199254740993;
      on(cpu, narrow_equal.tokens()) = narrow.tokens() == above_24;
      for (index_t i = 0; i < n; ++i) {
        CHECK(less[i] == (i % 2 == 1));
        CHECK(equal[i] == (i % 2 == 0));
        CHECK(exact[i] == (i == 0));
        CHECK(narrow_equal[i] == (i % 2 == 0));
      }
    });
}

TEST_CASE("&& || ! and == of conditions and of tensors of bool") {
  for (const index_t n : {1, 6, 16, 35, 100})
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<float> x(n, 11), y(n, 12);
      Numbers<bool> flags(n), both(n), either(n), neither(n), same(n), other(n), constant(n);
      for (index_t i = 0; i < n; ++i) flags[i] = i % 3 == 0;
      on(cpu, both.tokens()) = x.tokens() > 0 && flags.tokens();
      on(cpu, either.tokens()) = flags.tokens() || x.tokens() < y.tokens();
      on(cpu, neither.tokens()) = !(flags.tokens() || x.tokens() > 0);
      on(cpu, same.tokens()) = flags.tokens() == (x.tokens() > 0);
      on(cpu, other.tokens()) = flags.tokens() != (x.tokens() > 0);
      on(cpu, constant.tokens()) = flags.tokens() && true;
      for (index_t i = 0; i < n; ++i) {
        const bool positive = x[i] > 0, f = flags[i];
        CHECK(both[i] == (positive && f));
        CHECK(either[i] == (f || x[i] < y[i]));
        CHECK(neither[i] == !(f || positive));
        CHECK(same[i] == (f == positive));
        CHECK(other[i] == (f != positive));
        CHECK(constant[i] == f);
      }
      on(cpu, flags.tokens()) = true;
      for (index_t i = 0; i < n; ++i) CHECK(flags[i]);
    });
}

TEST_CASE("conditions broadcast rows and columns, of bool and of numbers") {
  for (const index_t rows : {1, 3, 50}) {
    Numbers<float> x(rows * 37, 13);
    Numbers<bool> row(37), column(rows), got(rows * 37);
    Numbers<float> limit(rows, 14);
    for (index_t c = 0; c < 37; ++c) row[c] = c % 5 < 3;
    for (index_t r = 0; r < rows; ++r) column[r] = r % 2 == 0;
    fixtures::for_each_backend([&](const auto& cpu) {
      on(cpu, got.tokens<37>()) = row.fixed<37>() && (column.tokens() || x.tokens<37>() < limit.tokens());
      index_t wrong = 0;
      for (index_t r = 0; r < rows; ++r)
        for (index_t c = 0; c < 37; ++c)
          wrong += got[r * 37 + c] != (row[c] && (column[r] || x[r * 37 + c] < limit[r]));
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("a comparison with a double operand is in double, one beside floats rounds its number to float") {
  Numbers<float> x(20);
  Numbers<double> y(20);
  Numbers<bool> in_double(20), in_float(20);
  for (index_t i = 0; i < 20; ++i) x[i] = 0.1f, y[i] = 0.1;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, in_double.tokens()) = x.tokens() == y.tokens();
    on(cpu, in_float.tokens()) = x.tokens() == 0.1;
    for (index_t i = 0; i < 20; ++i) {
      CHECK(!in_double[i]);
      CHECK(in_float[i]);
    }
  });
}
