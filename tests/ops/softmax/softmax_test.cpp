// SPDX-License-Identifier: Apache-2.0
// softmax: against a calculation in double; large numbers, infinities, any width, any number of threads, in place.
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
    REQUIRE_CLOSE(run(ctx, std::vector<float>(static_cast<std::size_t>(width), -inf), width), std::vector<float>(static_cast<std::size_t>(width), 0.0f), 0);
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
  CHECK_THROWS_AS((on(Reference{}, View<float, Shape<dyn, 8>>(x.data() + 1, 3)) = softmax(all.slice(0, 3))), contract_error);
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
