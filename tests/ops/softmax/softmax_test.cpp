// SPDX-License-Identifier: Apache-2.0
// softmax: against a calculation in double; large numbers, infinities, any width, any number of threads, in place.
#include <molmo/core/views.hpp>
#include <molmo/ops/softmax/softmax.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

template <class Ctx>
std::vector<float> run(const Ctx& ctx, const std::vector<float>& x, index_t width) {
  std::vector<float> y(x.size());
  softmax_rows(ctx, x.data(), y.data(), static_cast<index_t>(x.size()) / width, width);
  return y;
}

template <class Ctx>
void check_on(const Ctx& ctx) {
  Random random(1);
  for (const index_t width : {1, 2, 3, 15, 16, 17, 31, 33, 64, 100, 1000})
    for (const float size : {1.0f, 30.0f, 1e4f}) {
      const auto x = random.numbers(3 * width, size);
      std::vector<double> want;
      for (index_t r = 0; r < 3; ++r) {
        const auto begin = x.begin() + r * width;
        const double top = static_cast<double>(*std::max_element(begin, begin + width));
        double total = 0;
        for (index_t c = 0; c < width; ++c) total += std::exp(static_cast<double>(begin[c]) - top);
        for (index_t c = 0; c < width; ++c) want.push_back(std::exp(static_cast<double>(begin[c]) - top) / total);
      }
      CAPTURE(width, size);
      // exp within 2 ulp of x - max, whose rounding (6e-8 of up to 100 before exp vanishes) counts too; f32 sums.
      REQUIRE_CLOSE(run(ctx, x, width), want, 1e-30, 8e-6);
    }
  for (const index_t width : {1, 5, 16, 21}) {
    REQUIRE_CLOSE(run(ctx, std::vector<float>(static_cast<std::size_t>(width), -inf), width),
                  std::vector<float>(static_cast<std::size_t>(width), 0.0f), 0);
    std::vector<float> one(static_cast<std::size_t>(width), -inf), want(one.size(), 0.0f);
    one.back() = -1e38f;
    want.back() = 1;
    REQUIRE_CLOSE(run(ctx, one, width), want, 0);
    one.back() = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(run(ctx, one, width).back()));
    const std::vector<float> equal(static_cast<std::size_t>(width), 3e38f);
    for (const float p : run(ctx, equal, width)) CHECK(std::abs(p - 1.0f / static_cast<float>(width)) < 1e-7f);
  }
}

}  // namespace

TEST_CASE("softmax: the plain loops") { check_on(Reference{}); }

#if MOLMO_HAS_XSIMD
TEST_CASE("softmax: Xsimd") {
  check_on(Xsimd<>());
  Random random(2);
  const auto x = random.numbers(400 * 123, 5);
  const auto one = run(Xsimd<>(1), x, 123);
  for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(run(Xsimd<>(threads), x, 123), one);
}
#endif

TEST_CASE("softmax: into other rows of x is refused, and nothing is written") {
  Tensor<float, dyn, 8> x(6);
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const auto all = x.view();
  for (const index_t shift : {1, 2}) {
    CHECK_THROWS_AS((on(Reference{}, all.slice(shift, 3)) = softmax(all.slice(0, 3))), contract_error);
    CHECK_THROWS_AS((on(Reference{}, all.slice(0, 3)) = softmax(all.slice(shift, 3))), contract_error);
  }
  CHECK_THROWS_AS((on(Reference{}, View<float, Shape<dyn, 8>>(x.data() + 1, 3)) = softmax(all.slice(0, 3))),
                  contract_error);
  for (index_t i = 0; i < x.size(); ++i) CHECK(x[i] == static_cast<float>(i));
  on(Reference{}, all.slice(3, 3)) = softmax(all.slice(0, 3));  // side by side
  CHECK((x[0] == 0 && x[47] < 1));
}

TEST_CASE("softmax: the statement, in place") {
  Random random(3);
  Tensor<float, dyn, 9> x(4), y(4);
  for (index_t i = 0; i < 36; ++i) x[i] = random.number(4);
  on(Reference{}, y) = softmax(x);
  on(Reference{}, x) = softmax(x);
  for (index_t r = 0; r < 4; ++r) {
    double sum = 0;
    for (index_t c = 0; c < 9; ++c) {
      CHECK(x(r, c) == y(r, c));
      sum += static_cast<double>(y(r, c));
    }
    CHECK(std::abs(sum - 1) < 1e-6);
  }
}

namespace {

template <class T, class Ctx>
void check_type(const Ctx& ctx, double step) {
  Random random(4);
  for (const index_t width : {1, 2, 15, 16, 17, 33, 100, 1000}) {
    std::vector<T> x(static_cast<std::size_t>(5 * width)), y(x.size());
    for (T& v : x) v = T(random.number(10));
    for (index_t c = 0; c < width; ++c) x[static_cast<std::size_t>(4 * width + c)] = T(-inf);
    softmax_rows(ctx, static_cast<const T*>(x.data()), y.data(), 5, width);
    for (index_t r = 0; r < 5; ++r) {
      double top = -HUGE_VAL, total = 0;
      const auto at = [&](index_t c) { return static_cast<double>(x[static_cast<std::size_t>(r * width + c)]); };
      for (index_t c = 0; c < width; ++c) top = std::max(top, at(c));
      for (index_t c = 0; c < width; ++c) total += std::exp(at(c) - top);
      for (index_t c = 0; c < width; ++c) {
        const double want = r == 4 ? 0 : std::exp(at(c) - top) / total;
        CAPTURE(width, r, c);
        // Half a step of T (relative to the lowest number with that step) beside the roundings of f32; below 2^-14 the steps of f16 are all 2^-24.
        REQUIRE(std::abs(static_cast<double>(y[static_cast<std::size_t>(r * width + c)]) - want) <=
                want * (step / 2 + (sizeof(T) == 8 ? 0 : 8e-6)) + (sizeof(T) == 2 ? 0x1p-25 : 0));
      }
    }
    std::vector<T> in_place = x;
    softmax_rows(ctx, static_cast<const T*>(in_place.data()), in_place.data(), 5, width);
    for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(in_place[i] == y[i]);
  }
}

}  // namespace

TEST_CASE("softmax: bf16, f16 and double") {
  check_type<bf16>(Reference{}, 0x1p-7);
  check_type<f16>(Reference{}, 0x1p-10);
  check_type<double>(Reference{}, 4e-15);
#if MOLMO_HAS_XSIMD
  check_type<bf16>(Xsimd<>(2), 0x1p-7);
  check_type<f16>(Xsimd<>(), 0x1p-10);
  check_type<double>(Xsimd<>(), 4e-15);
#endif
}

#if MOLMO_HAS_XSIMD
TEST_CASE("softmax: rows of 16 bits have the same bits for every number of threads") {
  Random random(5);
  const index_t rows = 300, width = 131;
  std::vector<bf16> x(static_cast<std::size_t>(rows * width)), one(x.size()), y(x.size());
  for (bf16& v : x) v = bf16(random.number(5));
  softmax_rows(Xsimd<>(1), static_cast<const bf16*>(x.data()), one.data(), rows, width);
  for (const int threads : {2, 3}) {
    softmax_rows(Xsimd<>(threads), static_cast<const bf16*>(x.data()), y.data(), rows, width);
    int other = 0;
    for (std::size_t i = 0; i < y.size(); ++i) other += y[i].bits != one[i].bits;
    CHECK(other == 0);
  }
}
#endif

namespace {

// Slices of columns, as x, as y, in place and as heads: the bits of dense rows, and nothing beside them is written.
template <class T, class Ctx>
void check_rows_apart(const Ctx& ctx, index_t n) {
  Random random(7);
  Tensor<T, dyn, 50> wide(n);
  for (index_t i = 0; i < wide.size(); ++i) wide[i] = T(random.number(4));
  Tensor<T, dyn, 34> x(n), want(n), y(n);
  const auto part = columns<9, 34>(wide);
  on(ctx, x) = part;
  on(ctx, want) = softmax(x);
  on(ctx, y) = softmax(part);
  REQUIRE_SAME_BITS(y, want);
  for (index_t r = 0; r < n; ++r) wide(r, 8) = wide(r, 43) = T(-5.0f);
  on(ctx, part) = softmax(part);
  for (index_t r = 0; r < n; ++r)
    REQUIRE((static_cast<float>(wide(r, 8)) == -5 && static_cast<float>(wide(r, 43)) == -5));
  on(ctx, y) = part;
  REQUIRE_SAME_BITS(y, want);
  on(ctx, heads<2>(want)) = softmax(heads<2>(x));
  on(ctx, heads<2>(part)) = softmax(heads<2>(x));
  on(ctx, y) = part;
  REQUIRE_SAME_BITS(y, want);
  CHECK_THROWS_AS((on(ctx, part) = softmax(columns<8, 34>(wide))), contract_error);
}

}  // namespace

TEST_CASE("softmax of rows that lie apart") {
  check_rows_apart<float>(Reference{}, 5);
  check_rows_apart<bf16>(Reference{}, 5);
#if MOLMO_HAS_XSIMD
  for (const int threads : {1, 2, 3}) {
    check_rows_apart<float>(Xsimd{threads}, 5);
    check_rows_apart<float>(Xsimd{threads}, 3000);
    check_rows_apart<bf16>(Xsimd{threads}, 5);
  }
#endif
}
