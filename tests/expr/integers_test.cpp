// SPDX-License-Identifier: Apache-2.0
// Arithmetic of integer expressions: exact in 64 bits, wrapping, never trapping, never through a float.
#include <molmo/core/views.hpp>
#include <molmo/expr/eval.hpp>
#include <molmo/expr/integers.hpp>
#include <molmo/expr/remainder.hpp>
#include <molmo/expr/transpose.hpp>
#include <molmo/expr/where.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"
#include "support/random.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

std::int64_t wrap(__int128 x) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(x)); }

// Some edges and many random bits.
Numbers<std::int64_t> integers(index_t n, std::uint64_t seed) {
  const std::int64_t edges[] = {0, 1, -1, least, most, (std::int64_t{1} << 53) + 1, -(std::int64_t{1} << 24) - 1};
  molmo_test::Random random(seed);
  Numbers<std::int64_t> x(n);
  for (index_t i = 0; i < n; ++i) {
    const auto shift = static_cast<int>(random.between(0, 63));
    x[i] = i % 3 == 0 ? edges[random.between(0, 6)] : static_cast<std::int64_t>(random.bits()) >> shift;
  }
  return x;
}

}  // namespace

TEST_CASE("+ - * and - wrap; / and % truncate; by zero the quotient is 0 and the remainder the dividend") {
  for (const index_t n : {1, 7, 16, 41, 200, 40001}) {
    Numbers<std::int64_t> a = integers(n, 51), b = integers(n, 52);
    fixtures::for_each_backend([&](const auto& cpu) {
      Numbers<std::int64_t> sum(n), difference(n), product(n), ratio(n), rest(n), negative(n), magnitude(n), mixed(n);
      const auto x = a.tokens(), y = b.tokens();
      on(cpu, sum.tokens()) = x + y;
      on(cpu, difference.tokens()) = x - y;
      on(cpu, product.tokens()) = x * y;
      on(cpu, ratio.tokens()) = x / y;
      on(cpu, rest.tokens()) = x % y;
      on(cpu, negative.tokens()) = -x;
      on(cpu, magnitude.tokens()) = abs(x);
      on(cpu, mixed.tokens()) = (max)(x, y) - (min)(x, y) + 3'000'000'000'000'000'001;
      index_t wrong = 0;
      for (index_t i = 0; i < n; ++i) {
        const __int128 p = a[i], q = b[i];
        wrong += sum[i] != wrap(p + q) || difference[i] != wrap(p - q);
        wrong += product[i] !=
                 wrap(static_cast<__int128>(static_cast<unsigned __int128>(p) * static_cast<unsigned __int128>(q)));
        wrong += ratio[i] != (q == 0 ? 0 : wrap(p / q)) || rest[i] != (q == 0 ? a[i] : wrap(p % q));
        wrong += negative[i] != wrap(-p) || magnitude[i] != wrap(p < 0 ? -p : p);
        wrong += mixed[i] != wrap((p > q ? p - q : q - p) + 3'000'000'000'000'000'001);
      }
      INFO("n = " << n << ", " << cpu.name);
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("narrow integers are calculated in 64 bits and stored by their low bits") {
  const auto check = [](auto type) {
    using T = decltype(type);
    for (const index_t n : {1, 16, 37}) {
      Numbers<T> x(n), y(n), got(n);
      Numbers<std::int64_t> wide(n);
      molmo_test::Random random(53);
      for (index_t i = 0; i < n; ++i) x[i] = static_cast<T>(random.bits()), y[i] = static_cast<T>(random.bits());
      fixtures::for_each_kind_of_backend([&](const auto& cpu) {
        on(cpu, got.tokens()) = x.tokens() * y.tokens() + 5;
        on(cpu, wide.tokens()) = x.tokens() * y.tokens() + 5;
        for (index_t i = 0; i < n; ++i) {
          const std::int64_t exact = static_cast<std::int64_t>(x[i]) * static_cast<std::int64_t>(y[i]) + 5;
          CHECK(wide[i] == exact);
          CHECK(got[i] == static_cast<T>(exact));
        }
      });
    }
  };
  check(std::int8_t{});
  check(std::uint8_t{});
  check(std::int16_t{});
  check(std::int32_t{});
}

TEST_CASE("integers of several widths stand beside each other, and beside rows and columns of integers") {
  const index_t rows = 11;
  Numbers<std::int32_t> x(rows * 19), row(19);
  Numbers<std::uint8_t> column(rows);
  Numbers<std::int64_t> got(rows * 19);
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::int32_t>(i * 1'000'003);
  for (index_t c = 0; c < 19; ++c) row[c] = static_cast<std::int32_t>(-c);
  for (index_t r = 0; r < rows; ++r) column[r] = static_cast<std::uint8_t>(255 - r);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, got.tokens<19>()) = x.tokens<19>() * column.tokens() + row.fixed<19>() / 2;
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r)
      for (index_t c = 0; c < 19; ++c)
        wrong += got[r * 19 + c] != static_cast<std::int64_t>(x[r * 19 + c]) * column[r] + row[c] / 2;
    CHECK(wrong == 0);
  });
}

TEST_CASE("integers and bool in columns, steps and transposed views; eval makes a tensor of 64 bits or of bool") {
  Tensor<std::int32_t, dyn, 40> x(9), y(9);
  Tensor<bool, dyn, 40> flags(9);
  Tensor<std::int64_t, 23, 19> t;
  Tensor<std::int64_t, 19, 23> back;
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::int32_t>((1 << 24) + 3 * i), flags[i] = i % 7 == 0;
  for (index_t i = 0; i < t.size(); ++i) t[i] = (std::int64_t{1} << 53) + i;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y) = 0 * y;
    on(cpu, columns<3, 21>(y)) = columns<19, 21>(x) + where(columns<0, 21>(flags), 1, 0);
    on(cpu, back) = transpose(t) + 1;
    for (index_t r = 0; r < 9; ++r)
      for (index_t c = 0; c < 40; ++c)
        CHECK(y(r, c) == (c >= 3 && c < 24 ? x(r, c + 16) + (flags(r, c - 3) ? 1 : 0) : 0));
    for (index_t i = 0; i < 19; ++i)
      for (index_t j = 0; j < 23; ++j) CHECK(back(i, j) == t(j, i) + 1);
    const auto twice = eval(cpu, t * 2);
    const auto odd = eval(cpu, t % 2 == 1);
    STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(twice)>, Tensor<std::int64_t, 23, 19>>);
    STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(odd)>, Tensor<bool, 23, 19>>);
    for (index_t i = 0; i < t.size(); ++i) {
      CHECK(twice[i] == 2 * t[i]);
      CHECK(odd[i] == (i % 2 == 1));
    }
    on(cpu, y) += 5;
    CHECK(y(0, 0) == 5);
  });
}

TEST_CASE("an integer pass touches nothing beside its target") {
  for (index_t n = 1; n <= 40; ++n)
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<std::int16_t> x(n), y(n + 2);
      y[0] = y[n + 1] = -7;
      on(cpu, y.tokens().slice(1, n)) = x.tokens() + 1;
      CHECK((y[0] == -7 && y[n + 1] == -7 && y[1] == 1 && y[n] == 1));
    });
}
