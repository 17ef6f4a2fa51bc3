// SPDX-License-Identifier: Apache-2.0
// where(c, a, b): exactly the chosen elements, whatever stands in the others.
#include <molmo/expr/position.hpp>
#include <molmo/expr/where.hpp>

#include "expr/fixtures.hpp"
#if MOLMO_HAS_XSIMD && !defined(__CUDACC__)
#include <molmo/cpu.hpp>
#endif
#include <molmo/expr/gradient.hpp>
#include <molmo/ops/matmul/matmul.hpp>

#include "support/approx.hpp"

#include <cmath>

using namespace molmo;
using fixtures::Numbers;

namespace {

template <class T>
void check_where(index_t n) {
  Numbers<T> x(n, 21), y(n, 22), a(n, 23), b(n, 24), want(n);
  for (index_t i = 0; i < n; ++i) want[i] = x[i] < y[i] ? a[i] : b[i];
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<T> got(n);
    on(cpu, got.tokens()) = where(x.tokens() < y.tokens(), a.tokens(), b.tokens());
    INFO("n = " << n << ", " << cpu.name);
    CHECK(got.same_bits(want));
  });
}

}  // namespace

TEST_CASE("where chooses element by element, bit for bit") {
  for (const index_t n : {1, 7, 16, 45, 100, 40001}) {
    check_where<float>(n);
    check_where<double>(n);
    check_where<bf16>(n);
    check_where<f16>(n);
  }
}

TEST_CASE("a NaN or an infinity that is not chosen is not seen") {
  for (const index_t n : {1, 9, 16, 50})
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<float> x(n, 25), y(n);
      for (index_t i = 0; i < n; i += 2) x[i] = std::nanf("");
      for (index_t i = 0; i < n; i += 3) x[i] = INFINITY;
      on(cpu, y.tokens()) = where(x.tokens() == x.tokens() && abs(x.tokens()) < INFINITY, x.tokens(), -1);
      for (index_t i = 0; i < n; ++i) CHECK(y[i] == (std::isfinite(x[i]) ? x[i] : -1.0f));
      // In the untaken branch of a calculation, too: 1 / 0 and the root of a negative number.
      for (index_t i = 0; i < n; ++i) x[i] = static_cast<float>(i % 3) - 1;
      on(cpu, y.tokens()) = where(x.tokens() > 0, sqrt(x.tokens()) / x.tokens(), 0);
      for (index_t i = 0; i < n; ++i) CHECK(y[i] == (x[i] > 0 ? 1.0f : 0.0f));
    });
}

TEST_CASE("the condition broadcasts as a row, a column or a C++ bool; so do the branches") {
  const index_t rows = 9;
  Numbers<float> x(rows * 21, 26), scale(rows, 27), bias(21, 28), y(rows * 21);
  Numbers<bool> row(21), column(rows);
  for (index_t c = 0; c < 21; ++c) row[c] = c % 3 == 1;
  for (index_t r = 0; r < rows; ++r) column[r] = r % 2 == 0;
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto at = [&](auto want) {
      index_t wrong = 0;
      for (index_t r = 0; r < rows; ++r)
        for (index_t c = 0; c < 21; ++c) wrong += y[r * 21 + c] != want(r, c);
      return wrong;
    };
    on(cpu, y.tokens<21>()) = where(row.fixed<21>(), x.tokens<21>(), -x.tokens<21>());
    CHECK(at([&](index_t r, index_t c) { return row[c] ? x[r * 21 + c] : -x[r * 21 + c]; }) == 0);
    on(cpu, y.tokens<21>()) = where(column.tokens(), scale.tokens(), bias.fixed<21>() + 0 * x.tokens<21>());
    CHECK(at([&](index_t r, index_t c) { return column[r] ? scale[r] : bias[c]; }) == 0);
    on(cpu, y.tokens<21>()) = where(true, x.tokens<21>(), 7);
    CHECK(at([&](index_t r, index_t c) { return x[r * 21 + c]; }) == 0);
    on(cpu, y.tokens<21>()) = where(column.tokens(), 1, 0) * x.tokens<21>();
    CHECK(at([&](index_t r, index_t c) { return column[r] ? x[r * 21 + c] : 0; }) == 0);
  });
}

TEST_CASE("the branches may be integers, calculated exactly, or conditions") {
  for (const index_t n : {1, 12, 33})
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      Numbers<float> x(n, 29);
      Numbers<std::int64_t> ids(n), got(n);
      Numbers<bool> flags(n), chosen(n);
      for (index_t i = 0; i < n; ++i) ids[i] = (std::int64_t{1} << 60) + i, flags[i] = i % 4 == 0;
      on(cpu, got.tokens()) = where(x.tokens() > 0.5, ids.tokens() + 1, -1);
      on(cpu, chosen.tokens()) = where(flags.tokens(), x.tokens() > 0, false);
      for (index_t i = 0; i < n; ++i) {
        CHECK(got[i] == (x[i] > 0.5f ? (std::int64_t{1} << 60) + i + 1 : -1));
        CHECK(chosen[i] == (flags[i] && x[i] > 0));
      }
      on(cpu, x.tokens()) = where(ids.tokens() == (std::int64_t{1} << 60), 1, 0);  // literals are reals in reals
      for (index_t i = 0; i < n; ++i) CHECK(x[i] == (i == 0 ? 1.0f : 0.0f));
    });
}

TEST_CASE("a condition may compare with a reduction of its row, and be reduced") {
  const index_t rows = 7, cols = 37;
  Numbers<float> x(rows * cols, 31), y(rows * cols);
  Numbers<bool> flags(rows * cols), some(rows), every(rows);
  for (index_t i = 0; i < flags.size(); ++i) flags[i] = i / cols != 3 && (i % 5 == 0 || i / cols == 4);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<37>()) = where(x.tokens<37>() >= max_of(x.tokens<37>()), 1, 0) * x.tokens<37>();
    on(cpu, some.tokens()) = any(flags.tokens<37>());
    on(cpu, every.tokens()) = all(flags.tokens<37>());
    for (index_t r = 0; r < rows; ++r) {
      float largest = x[r * cols];
      for (index_t c = 0; c < cols; ++c) largest = std::max(largest, x[r * cols + c]);
      for (index_t c = 0; c < cols; ++c) CHECK(y[r * cols + c] == (x[r * cols + c] == largest ? largest : 0));
      CHECK(some[r] == (r != 3));
      CHECK(every[r] == (r == 4));
    }
    CHECK(any(cpu, x.tokens() > 3));
    CHECK_FALSE(all(cpu, x.tokens() > 3));
    CHECK(all(cpu, x.tokens() < 5 || flags.tokens()));
  });
}

TEST_CASE("a gradient goes into the branch that was taken") {
  const index_t n = 45;
  Numbers<float> x(n, 32), z(n, 33), g(n, 34), dx(n);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto e = where(x.tokens() > z.tokens(), x.tokens() * x.tokens(), 0.5f * x.tokens());
    on(cpu, dx.tokens()) = gradient(e, g.tokens(), x.tokens());
    for (index_t i = 0; i < n; ++i) CHECK(dx[i] == Approx(g[i] * (x[i] > z[i] ? 2 * x[i] : 0.5f)).epsilon(1e-6));
  });
}

TEST_CASE("where as the epilogue of a matmul: by acc, by position, by a row of bool") {
  Tensor<float, dyn, 24> x(5);
  Tensor<float, 19, 24> w;
  Tensor<float, dyn, 19> product(5), y(5);
  Tensor<bool, 19> keep;
  Numbers<float> numbers(24 * 19, 35);
  for (index_t i = 0; i < x.size(); ++i) x[i] = numbers[i];
  for (index_t i = 0; i < w.size(); ++i) w[i] = numbers[i];
  for (index_t c = 0; c < 19; ++c) keep[c] = c % 4 != 1;
  on(Reference{}, product) = matmul(x, w);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y) = matmul(x, w).then(where(acc > 0 && keep && column_index != row_index, acc, -1));
    for (index_t r = 0; r < 5; ++r)
      for (index_t c = 0; c < 19; ++c) {
        const bool chosen = product(r, c) > 0 && keep[c] && c != r;
        CHECK(y(r, c) == Approx(chosen ? product(r, c) : -1.0f).epsilon(1e-4).margin(1e-4));
      }
  });
}

TEST_CASE("where in place: the target is the condition's operand and a branch") {
  Numbers<float> x(70001, 30), want(70001);
  for (index_t i = 0; i < x.size(); ++i) want[i] = x[i] > 0 ? x[i] : 0.5f * x[i];
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<float> y = x;
    on(cpu, y.tokens()) = where(y.tokens() > 0, y.tokens(), 0.5f * y.tokens());
    CHECK(y.same_bits(want));
  });
}
