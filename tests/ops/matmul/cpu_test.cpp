// SPDX-License-Identifier: Apache-2.0
// matmul on Xsimd against Reference: all kernels, formats and tails, every form of epilogue that the layers use, rows further
// apart than they are wide; and the promises about bits: threads, neighbours and the cut of the columns change none.
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#include <molmo/ops/swiglu/swiglu.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"

#include <cstring>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

// A weight matrix with a format known at run time.
struct Stored {
  std::vector<std::byte> bytes;
  WeightMatrix m;

  Stored(Random& random, FormatId format, index_t rows, index_t cols) {
    with_format(format, [&]<class F>(F) {
      using T = typename F::element;
      bytes.resize(static_cast<std::size_t>(rows * cols) * sizeof(T));
      for (index_t i = 0; i < rows * cols; ++i) {
        const T x(random.number());
        std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &x, sizeof(T));
      }
    });
    m = {bytes.data(), format, rows, cols};
  }
};

constexpr float untouched = -12345.0f;

struct Problem {
  index_t m, n, k, x_stride, y_stride;
  std::vector<float> x;
  Stored w;

  Problem(Random& random, FormatId format, index_t m_, index_t n_, index_t k_, index_t x_gap = 0, index_t y_gap = 0)
      : m(m_), n(n_), k(k_), x_stride(k_ + x_gap), y_stride(n_ + y_gap), x(random.numbers(m_ * (k_ + x_gap))), w(random, format, n_, k_) {
    // What lies between the rows must not be read.
    for (index_t r = 0; r < m; ++r)
      for (index_t c = k; c < x_stride; ++c) x[static_cast<std::size_t>(r * x_stride + c)] = std::numeric_limits<float>::quiet_NaN();
  }
  Rows rows() const { return {x.data(), m, k, x_stride}; }

  template <class Ctx, class E = Acc>
  std::vector<float> run(const Ctx& ctx, const E& e = {}) const {
    std::vector<float> y(static_cast<std::size_t>(m * y_stride), untouched);
    multiply(ctx, rows(), Product<float, E>{w.m, y.data(), y_stride, e});
    return y;
  }
  /// Sums of k products of numbers up to 1, in f32: tolerance(k) is their worst case, far above what comes out.
  double allowed() const { return tolerance(k, 1.0) + 1e-6; }
};

const FormatId formats[] = {format_id<F32>, format_id<Bf16>, format_id<F16>};

}  // namespace

TEST_CASE("matmul on Xsimd: every number of rows, and odd sizes") {
  Random random(3);
  const Xsimd<> cpu;
  for (const FormatId format : formats) {
    for (index_t m = 1; m <= 40; ++m) {
      const Problem p(random, format, m, 37, 29);
      CAPTURE(format_name(format), m);
      REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
    }
    // A few hundred rows cross the block of 512; k crosses the panel's depth of 256; n has every tail up to two registers.
    for (const index_t m : {64, 513, 600}) {
      const Problem p(random, format, m, 35, 17);
      CAPTURE(format_name(format), m);
      REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
    }
    for (const index_t m : {1, 3, 16, 33})
      for (const index_t k : {1, 2, 7, 8, 15, 16, 17, 63, 255, 256, 257, 511, 520}) {
        const Problem p(random, format, m, 19, k);
        CAPTURE(format_name(format), m, k);
        REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
      }
    for (const index_t m : {1, 2, 17})
      for (index_t n = 1; n <= 67; ++n) {
        const Problem p(random, format, m, n, 13);
        CAPTURE(format_name(format), m, n);
        REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
      }
  }
}

TEST_CASE("matmul on Xsimd: random sizes, rows further apart than they are wide") {
  Random random(4);
  const Xsimd<> cpu;
  for (int i = 0; i < 60; ++i) {
    const FormatId format = formats[random.between(0, 2)];
    const Problem p(random, format, random.between(1, 70), random.between(1, 90), random.between(1, 300), random.between(0, 5),
                    random.between(0, 7));
    CAPTURE(format_name(format), p.m, p.n, p.k, p.x_stride, p.y_stride);
    const auto got = p.run(cpu);
    REQUIRE_CLOSE(got, p.run(Reference{}), p.allowed());
    for (index_t r = 0; r < p.m; ++r)
      for (index_t c = p.n; c < p.y_stride; ++c) REQUIRE(got[static_cast<std::size_t>(r * p.y_stride + c)] == untouched);
  }
}

TEST_CASE("matmul on Xsimd: the last weight may end where memory ends") {
  // The weights fill their allocation: a read behind them is found by AddressSanitizer.
  Random random(5);
  for (const FormatId format : formats)
    for (const index_t m : {1, 16})
      for (const index_t n : {1, 8, 9, 33}) {
        const Problem p(random, format, m, n, 21);
        REQUIRE_CLOSE(p.run(Xsimd<>()), p.run(Reference{}), p.allowed());
      }
}

TEST_CASE("matmul on Xsimd: the epilogues of the layers") {
  Random random(6);
  const Xsimd<> cpu;
  for (const index_t m : {1, 5, 16, 31})
    for (const index_t n : {5, 16, 43}) {
      CAPTURE(m, n);
      const Problem p(random, format_id<F32>, m, n, 24);
      const auto bias = random.numbers(n), residual = random.numbers(m * n);
      const double allowed = p.allowed() * 4;  // one or two more f32 operations on values below 20
      REQUIRE_CLOSE(p.run(cpu, acc_plus_row(bias.data())), p.run(Reference{}, acc_plus_row(bias.data())), allowed);
      // acc + bias + y, y being the target: the residual of a block.
      const auto residual_run = [&](const auto& ctx) {
        std::vector<float> y = residual;
        const auto e = detail::map<detail::add_f>(acc_plus_row(bias.data()), Strided<float, Spread::full>{y.data(), n});
        multiply(ctx, p.rows(), Product<float, std::remove_cvref_t<decltype(e)>>{p.w.m, y.data(), n, e});
        return y;
      };
      REQUIRE_CLOSE(residual_run(cpu), residual_run(Reference{}), allowed);
      // Outputs of 16 bits: both round the same f32 value up to its last bits, so they differ by one step at most.
      const auto half_run = [&](const auto& ctx) {
        std::vector<bf16> y(static_cast<std::size_t>(m * n));
        multiply(ctx, p.rows(), Product<bf16, Acc>{p.w.m, y.data(), n, acc});
        return y;
      };
      REQUIRE_CLOSE(half_run(cpu), half_run(Reference{}), 1e-5, 1.0 / 128);
    }
}

TEST_CASE("gated products on Xsimd: the second reads what the first stored, with any number of threads") {
  Random random(7);
  for (const index_t m : {1, 7, 16, 40})
    for (const bool with_bias : {false, true}) {
      constexpr index_t k = 96, f = 250;  // large enough to be shared among threads from m = 2 on
      const auto x = random.numbers(m * k);
      const Stored gate(random, format_id<F32>, f, k), up(random, format_id<Bf16>, f, k);  // formats may differ
      const auto gate_bias = random.numbers(f), up_bias = random.numbers(f);
      const auto run = [&](const auto& ctx) {
        std::vector<float> y(static_cast<std::size_t>(m * f));
        const Rows rows{x.data(), m, k, k};
        using Silu = activation_t<ActivationType::silu>;
        if (with_bias)
          gated_multiply<Silu, true>(ctx, rows, gate.m, up.m, gate_bias.data(), up_bias.data(), y.data());
        else
          gated_multiply<Silu, false>(ctx, rows, gate.m, up.m, nullptr, nullptr, y.data());
        return y;
      };
      CAPTURE(m, with_bias);
      const auto one = run(Xsimd<>());
      // silu(g) * u with both near 10 at most: errors of tolerance(k) are multiplied by the other factor.
      REQUIRE_CLOSE(one, run(Reference{}), 10 * tolerance(k, 1.0));
      for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(run(Xsimd<>(threads)), one);
    }
}

TEST_CASE("matmul on Xsimd: the same bits for any number of threads", "[threads]") {
  Random random(8);
  for (const FormatId format : formats)
    for (const index_t m : {1, 2, 5, 15, 16, 17, 64}) {
      const Problem p(random, format, m, 523, 129);  // 523 columns are no multiple of anything
      CAPTURE(format_name(format), m);
      const auto one = p.run(Xsimd<>(1));
      for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(p.run(Xsimd<>(threads)), one);
    }
}

TEST_CASE("matmul on Xsimd: a token has the same bits whatever its neighbours are") {
  Random random(9);
  const Xsimd<> cpu;
  for (const FormatId format : formats)
    for (const index_t k : {48, 61, 300}) {
      const Problem big(random, format, 40, 41, k);
      const auto rows_of = [&](index_t first, index_t count) {
        std::vector<float> y(static_cast<std::size_t>(count * 41));
        multiply(cpu, Rows{big.x.data() + first * k, count, k, k}, Product<float, Acc>{big.w.m, y.data(), 41, acc});
        return y;
      };
      const auto few = rows_of(0, 15), many = rows_of(0, 40);
      for (index_t r = 0; r < 15; ++r) {  // alone, and in batches of 2, 3, 4: below 16 rows
        CAPTURE(format_name(format), k, r);
        for (const index_t count : {1, 2, 3, 4}) {
          const index_t first = r + count <= 15 ? r : 15 - count;
          REQUIRE_SAME_BITS(rows_of(first, count), std::vector<float>(few.begin() + first * 41, few.begin() + (first + count) * 41));
        }
      }
      for (const index_t count : {16, 17, 29}) {  // and from 16 rows on
        const index_t first = 40 - count;
        REQUIRE_SAME_BITS(rows_of(first, count), std::vector<float>(many.begin() + first * 41, many.end()));
      }
    }
}

TEST_CASE("matmul on Xsimd: NaN and infinity go where they belong") {
  Random random(10);
  for (const index_t m : {4, 20}) {
    Problem p(random, format_id<F32>, m, 30, 40);
    p.x[static_cast<std::size_t>(2 * 40 + 7)] = std::numeric_limits<float>::quiet_NaN();
    p.x[static_cast<std::size_t>(3 * 40 + 39)] = std::numeric_limits<float>::infinity();
    const auto y = p.run(Xsimd<>());
    for (index_t r = 0; r < m; ++r)
      for (index_t c = 0; c < 30; ++c) {
        const float v = y[static_cast<std::size_t>(r * 30 + c)];
        REQUIRE((r == 2 ? std::isnan(v) : r == 3 ? std::isinf(v) : std::isfinite(v)));
      }
  }
}
#endif
