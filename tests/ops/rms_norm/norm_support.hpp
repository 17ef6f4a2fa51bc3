// SPDX-License-Identifier: Apache-2.0
// What the tests of both norms share. `Op` has rows(ctx, NormRows) and plain(row, i, eps), the normalised element in
// double.
#pragma once

#include <molmo/core/tensor.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>

#include "support/approx.hpp"
#include "support/compare.hpp"
#include "support/random.hpp"
#if MOLMO_HAS_IO
#include "support/golden.hpp"
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

namespace molmo_test {

using molmo::index_t;
using molmo::NormOrder;
using molmo::NormRows;

#if MOLMO_HAS_IO
template <class T>
constexpr const char* dtype_tag() {
  if constexpr (std::is_same_v<T, float>)
    return "f32";
  else if constexpr (std::is_same_v<T, molmo::bf16>)
    return "bf16";
  else
    return "f16";
}

/// Steps between two floating-point numbers of one sign (16 or 32 bits).
template <class T>
std::int64_t steps_apart(T a, T b) {
  std::conditional_t<sizeof(T) == 2, std::int16_t, std::int32_t> x, y;
  std::memcpy(&x, &a, sizeof a), std::memcpy(&y, &b, sizeof b);
  return std::abs(static_cast<std::int64_t>(x) - static_cast<std::int64_t>(y));
}

/// The case `name` of tests/data/golden/norms in the dtype T.
template <class Op, class T>
void check_golden_norm(std::string_view name, NormOrder order, bool weight, bool bias) {
  const Golden g("norms");
  const auto in = [&](std::string_view n) { return molmo::text(n, ".", dtype_tag<T>()); };
  const auto x = g.template stored<T>(in("x")), want = g.template stored<T>(in(name));
  const auto w = g.floats(in("w")), b = g.floats(in("b"));
  std::vector<T> y(x.size());
  const NormRows<T> a{x.data(), y.data(), 8, 48, 48, weight ? w.data() : nullptr, bias ? b.data() : nullptr, g.number(molmo::text("eps.", name)), order};
  // 16 bits: the f32 sums of torch have another order, which may flip a rounding: one step, and in 98 % of the values
  // none.
  // f32: the mean of 48 squares, a root, two products: a relative error of a few 6e-8; after mean and bias, absolute
  // ones of the same size relative to the terms.
  const auto compare = [&](const std::vector<T>& got) {
    if constexpr (sizeof(T) == 2) {
      std::size_t same = 0;
      for (std::size_t i = 0; i < want.size(); ++i) {
        CAPTURE(name, i, static_cast<float>(got[i]), static_cast<float>(want[i]));
        REQUIRE(steps_apart(got[i], want[i]) <= 1);
        same += steps_apart(got[i], want[i]) == 0;
      }
      REQUIRE(same * 100 >= want.size() * 98);
    } else {
      INFO(name);
      // The weights are near 100: 3e-5 is 3e-7 of them. torch takes the mean in f32: in the row around +50 its mean is
      // off by up to half a step of 50 (1.9e-6), or a few, which the weights of 100 turn into some 5e-4; ours is nearer
      // the truth.
      REQUIRE_CLOSE(got, want, std::string_view(name) == "torch_ln" ? 1e-3 : 3e-5, 1e-6);
    }
  };
  Op::rows(molmo::Reference{}, a);
  compare(y);
#if MOLMO_HAS_XSIMD
  std::fill(y.begin(), y.end(), T(-5.0f));
  Op::rows(molmo::Xsimd<>(), a);
  compare(y);
#endif
}
#endif

template <class Op, class Ctx>
void check_norm_on(const Ctx& ctx) {
  Random random(1);
  for (const index_t width : {1, 2, 7, 15, 16, 17, 31, 48, 63, 64, 65, 100, 257, 1000})
    for (const int form : {0, 1, 2}) {  // nothing, weight, weight and bias
      const index_t rows = 4, stride = width + form;
      auto x = random.numbers(rows * stride, 3);
      // a row of zeros
      for (index_t c = 0; c < width; ++c) x[static_cast<std::size_t>(2 * stride + c)] = 0;
      // squares of 1e30
      for (index_t c = 0; c < width; ++c) x[static_cast<std::size_t>(3 * stride + c)] *= 1e15f;
      for (index_t r = 0; r < rows; ++r)
        for (index_t c = width; c < stride; ++c) x[static_cast<std::size_t>(r * stride + c)] = std::numeric_limits<float>::quiet_NaN();
      const auto w = random.numbers(width, 2), b = random.numbers(width);
      std::vector<float> y(x.size(), -5.0f);
      const NormRows<float> a{x.data(), y.data(), rows, width, stride, form > 0 ? w.data() : nullptr, form > 1 ? b.data() : nullptr, 1e-5, {}};
      Op::rows(ctx, a);
      for (index_t r = 0; r < rows; ++r) {
        const std::vector<float> row(x.begin() + r * stride, x.begin() + r * stride + width);
        for (index_t c = 0; c < stride; ++c) {
          const float got = y[static_cast<std::size_t>(r * stride + c)];
          CAPTURE(width, form, r, c);
          if (c >= width) {
            REQUIRE(got == -5.0f);
            continue;
          }
          double want = Op::plain(row, static_cast<std::size_t>(c), 1e-5);
          const double normalised = std::abs(want);
          if (form > 0) want *= static_cast<double>(w[static_cast<std::size_t>(c)]);
          if (form > 1) want += static_cast<double>(b[static_cast<std::size_t>(c)]);
          // f32 sums of `width` terms: sqrt(width) roundings of 6e-8 each, of values near 1 (at most sqrt(width)).
          REQUIRE(std::abs(static_cast<double>(got) - want) <= 4e-7 * (2 + std::sqrt(static_cast<double>(width)) / 4) * (1 + 2 * normalised));
        }
      }
      Op::rows(ctx, NormRows<float>{x.data(), x.data(), rows, width, stride, a.weight, a.bias, a.eps, {}});  // in place
      for (index_t r = 0; r < rows; ++r)
        for (index_t c = 0; c < width; ++c)
          REQUIRE(x[static_cast<std::size_t>(r * stride + c)] == y[static_cast<std::size_t>(r * stride + c)]);
    }
}

#if MOLMO_HAS_XSIMD
/// Calls every part itself, and counts the steps.
class CountedSteps final : public molmo::Executor {
 public:
  int threads() const noexcept override { return 4; }
  void run(Body body, void* data) noexcept override {
    for (int part = 0; part < 4; ++part) body(data, part, 4);
    ++steps;
  }
  int steps = 0;
};

/// Rows of bf16 and f16 have a fast loop too: shared among threads, within a step of rounding of the plain one.
template <class Op, class T>
void check_16_bits() {
  Random random(3);
  const auto steps = std::make_shared<CountedSteps>();
  for (const index_t width : {1, 15, 17, 100, 257})
    for (const NormOrder order : {NormOrder::cast_then_scale, NormOrder::scale_then_cast}) {
      const index_t rows = 32768 / width + 2;  // enough for several threads
      const auto x = random.numbers(rows * width, 3), w = random.numbers(width, 2), b = random.numbers(width);
      const std::vector<T> in(x.begin(), x.end());
      std::vector<T> y(in.size()), meaning(in.size());
      const auto of = [&](std::vector<T>& out) {
        return NormRows<T>{in.data(), out.data(), rows, width, width, w.data(), width % 2 ? b.data() : nullptr, 1e-5, order};
      };
      steps->steps = 0;
      Op::rows(molmo::Xsimd<>(steps), of(y));
      REQUIRE(steps->steps == 1);
      Op::rows(molmo::Reference{}, of(meaning));
      for (std::size_t i = 0; i < y.size(); ++i) {
        CAPTURE(width, i, static_cast<float>(y[i]), static_cast<float>(meaning[i]));
        // One rounding of n and one of y may fall the other way; a sum that cancels shows the first in more steps.
        REQUIRE(std::abs(static_cast<float>(y[i]) - static_cast<float>(meaning[i])) <=
                (std::is_same_v<T, molmo::bf16> ? 0x1p-6f : 0x1p-9f) * (1 + std::abs(static_cast<float>(meaning[i]))));
      }
    }
}
#endif

template <class Op>
void check_norm() {
  check_norm_on<Op>(molmo::Reference{});
#if MOLMO_HAS_XSIMD
  check_norm_on<Op>(molmo::Xsimd<>());
  // Many rows are shared among threads: the same bits.
  Random random(2);
  const auto x = random.numbers(333 * 200);
  const auto run = [&](int threads) {
    std::vector<float> y(x.size());
    Op::rows(molmo::Xsimd<>(threads), NormRows<float>{x.data(), y.data(), 333, 200, 200, nullptr, nullptr, 1e-6, {}});
    return y;
  };
  const auto one = run(1);
  for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(run(threads), one);
  check_16_bits<Op, molmo::bf16>();
  check_16_bits<Op, molmo::f16>();
#endif
}

}  // namespace molmo_test
