// SPDX-License-Identifier: Apache-2.0
// matmul on Xsimd against Reference: all kernels, formats and tails, every form of epilogue that the layers use, rows
// further apart than they are wide; and the promises about bits: threads, neighbours and the cut of the columns change
// none.
#if MOLMO_HAS_XSIMD
#include <molmo/ops/matmul/cpu.hpp>
#include <molmo/ops/swiglu/swiglu.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"
#include "support/stored.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr float untouched = -12345.0f;

/// A format and how its rows lie.
struct Kind {
  FormatId format;
  Layout layout = Layout::rows;
  Kind(FormatId f, Layout l = Layout::rows) : format(f), layout(l) {}
};
std::string name(const Kind& k) {
  return std::string(format_name(k.format)) + (k.layout == Layout::panels ? " in panels" : " row by row");
}
const Kind plain[] = {format_id<F32>,
                      format_id<Bf16>,
                      format_id<F16>,
                      {format_id<F32>, Layout::panels},
                      {format_id<Bf16>, Layout::panels},
                      {format_id<F16>, Layout::panels}};
const Kind blocks[] = {format_id<Q8>, format_id<Q4>, {format_id<Q8>, Layout::panels}, {format_id<Q4>, Layout::panels}};

struct Problem {
  index_t m, n, k, x_stride, y_stride;
  std::vector<float> x;
  Stored w;

  Problem(Random& random, Kind kind, index_t m_, index_t n_, index_t k_, index_t x_gap = 0, index_t y_gap = 0)
      : m(m_),
        n(n_),
        k(k_),
        x_stride(k_ + x_gap),
        y_stride(n_ + y_gap),
        x(random.numbers(m_ * (k_ + x_gap))),
        w(random, kind.format, n_, k_, kind.layout) {
    // What lies between the rows must not be read.
    for (index_t r = 0; r < m; ++r)
      for (index_t c = k; c < x_stride; ++c)
        x[static_cast<std::size_t>(r * x_stride + c)] = std::numeric_limits<float>::quiet_NaN();
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

}  // namespace

TEST_CASE("matmul on Xsimd: every number of rows, and odd sizes") {
  Random random(3);
  const Xsimd<> cpu;
  for (const Kind& kind : plain) {
    for (index_t m = 1; m <= 40; ++m) {
      const Problem p(random, kind, m, 37, 29);
      CAPTURE(name(kind), m);
      REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
    }
    // A few hundred rows cross the block of 256; k, below, the depth of 512; n has every tail up to two registers.
    for (const index_t m : {64, 513, 600}) {
      const Problem p(random, kind, m, 35, 17);
      CAPTURE(name(kind), m);
      REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
    }
    {
      const Problem p(random, kind, 300, 50, 600);  // both at once
      REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
    }
    for (const index_t m : {1, 3, 16, 33})
      for (const index_t k : {1, 2, 7, 8, 15, 16, 17, 63, 255, 256, 257, 511, 520}) {
        const Problem p(random, kind, m, 19, k);
        CAPTURE(name(kind), m, k);
        REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
      }
    for (const index_t m : {1, 2, 17})
      for (index_t n = 1; n <= 67; ++n) {
        const Problem p(random, kind, m, n, 13);
        CAPTURE(name(kind), m, n);
        REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
      }
  }
}

TEST_CASE("matmul on Xsimd: random sizes, rows further apart than they are wide") {
  Random random(4);
  const Xsimd<> cpu;
  for (int i = 0; i < 60; ++i) {
    const Kind kind = plain[random.between(0, 5)];
    const Problem p(random, kind, random.between(1, 70), random.between(1, 90), random.between(1, 300),
                    random.between(0, 5), random.between(0, 7));
    CAPTURE(name(kind), p.m, p.n, p.k, p.x_stride, p.y_stride);
    const auto got = p.run(cpu);
    REQUIRE_CLOSE(got, p.run(Reference{}), p.allowed());
    for (index_t r = 0; r < p.m; ++r)
      for (index_t c = p.n; c < p.y_stride; ++c)
        REQUIRE(got[static_cast<std::size_t>(r * p.y_stride + c)] == untouched);
  }
}

TEST_CASE("matmul on Xsimd: the last weight may end where memory ends") {
  // The weights fill their allocation: a read behind them is found by AddressSanitizer.
  Random random(5);
  for (const Kind& kind : plain)
    for (const index_t m : {1, 16})
      for (const index_t n : {1, 8, 9, 33}) {
        const Problem p(random, kind, m, n, 21);
        REQUIRE_CLOSE(p.run(Xsimd<>()), p.run(Reference{}), p.allowed());
      }
}

TEST_CASE("matmul on Xsimd: into x or into the weights is refused, with any number of threads") {
  Random random(5);
  Tensor<float, dyn, 64> x(30);
  Tensor<float, 64, 64> w;
  for (index_t i = 0; i < x.size(); ++i) x[i] = random.number();
  const std::vector<float> before(x.data(), x.data() + x.size());
  for (const int threads : {1, 2}) {
    const Xsimd cpu{threads};
    CHECK_THROWS_AS((on(cpu, x) = matmul(x, w)), contract_error);
    CHECK_THROWS_AS((on(cpu, x.view().slice(1, 20)) = matmul(x.view().slice(0, 20), w).then(relu(acc))), contract_error);
    CHECK_THROWS_AS((on(cpu, View<float, Shape<dyn, 64>>(w.data(), 30)) = matmul(x, w)), contract_error);
  }
  CHECK(std::vector<float>(x.data(), x.data() + x.size()) == before);
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
  for (const Kind& kind : plain)
    for (const index_t m : {1, 2, 5, 15, 16, 17, 64}) {
      const Problem p(random, kind, m, 523, 129);  // 523 columns are no multiple of anything
      CAPTURE(name(kind), m);
      const auto one = p.run(Xsimd<>(1));
      for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(p.run(Xsimd<>(threads)), one);
    }
}

TEST_CASE("matmul on Xsimd: a token has the same bits whatever its neighbours are") {
  Random random(9);
  const Xsimd<> cpu;
  for (const Kind& kind : plain)
    for (const index_t k : {48, 61, 300}) {
      const Problem big(random, kind, 40, 41, k);
      const auto rows_of = [&](index_t first, index_t count) {
        std::vector<float> y(static_cast<std::size_t>(count * 41));
        multiply(cpu, Rows{big.x.data() + first * k, count, k, k}, Product<float, Acc>{big.w.m, y.data(), 41, acc});
        return y;
      };
      const auto few = rows_of(0, 8), many = rows_of(0, 40);
      // In panels a token has the same bits in any batch; row by row, below the 13 rows from which weights are
      // unpacked.
      if (kind.layout == Layout::panels)
        REQUIRE_SAME_BITS(few, std::vector<float>(many.begin(), many.begin() + 8 * 41));
      for (index_t r = 0; r < 8; ++r) {  // alone, and in batches of 2, 3, 4
        CAPTURE(name(kind), k, r);
        for (const index_t count : {1, 2, 3, 4}) {
          const index_t first = r + count <= 8 ? r : 8 - count;
          REQUIRE_SAME_BITS(rows_of(first, count),
                            std::vector<float>(few.begin() + first * 41, few.begin() + (first + count) * 41));
        }
      }
      for (const index_t count : {13, 17, 29}) {  // and from 13 rows on
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
TEST_CASE("matmul on Xsimd: blocks with exact activations, in every layout") {
  Random random(11);
  const Xsimd<> cpu = Xsimd<>().exact();
  for (const Kind& kind : blocks)
    for (const index_t m : {1, 2, 7, 16, 33, 300})
      for (const auto& [n, k] : {std::pair<index_t, index_t>{19, 32}, {37, 64}, {16, 45}, {50, 1}, {33, 600}}) {
        const Problem p(random, kind, m, n, k, 3, 2);
        CAPTURE(name(kind), m, n, k);
        REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), p.allowed());
      }
}

namespace {

// x with every 32 neighbours of a row rounded to multiples of max|x| / 127: what the byte kernels calculate with.
std::vector<float> rounded(const Problem& p, std::vector<double>& steps) {
  std::vector<float> out = p.x;
  for (index_t r = 0; r < p.m; ++r)
    for (index_t k = 0; k < p.k; k += 32) {
      float* x = out.data() + r * p.x_stride + k;
      const index_t count = p.k - k < 32 ? p.k - k : 32;
      float largest = 0;
      for (index_t i = 0; i < count; ++i) largest = std::fabs(x[i]) > largest ? std::fabs(x[i]) : largest;
      const float inverse = largest > 0 ? 127.0f / largest : 0.0f, scale = largest / 127.0f;
      for (index_t i = 0; i < count; ++i) x[i] = std::nearbyint(x[i] * inverse) * scale;
      steps.push_back(static_cast<double>(scale));
    }
  return out;
}

template <class Cpu>
void check_bytes(const Cpu& cpu, std::uint64_t seed) {
  Random random(seed);
  for (const Kind& kind : {Kind{format_id<Q8>, Layout::panels}, Kind{format_id<Q4>, Layout::panels}})
    for (const index_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 33, 300})
      for (const auto& [n, k] :
           {std::pair<index_t, index_t>{19, 32}, {64, 64}, {37, 172}, {80, 1}, {130, 288}, {16, 1000}}) {
        const Problem p(random, kind, m, n, k, 3, 2);
        CAPTURE(name(kind), m, n, k);
        const auto got = p.run(cpu);
        // The same numbers as the double loop on rounded activations, up to f32 sums ...
        std::vector<double> steps;
        auto xs = rounded(p, steps);
        if (!detail::Bytes<typename Cpu::lanes::arch>::fast) xs = p.x;  // there weights are unpacked, and x stays exact
        std::vector<float> want(static_cast<std::size_t>(m * p.y_stride), untouched);
        multiply(Reference{}, Rows{xs.data(), m, k, p.x_stride},
                 Product<float, Acc>{p.w.m, want.data(), p.y_stride, acc});
        REQUIRE_CLOSE(got, want, p.allowed());
        // ... and within half a step times the weights' magnitudes of the exact result: the bound of cpu_blocks.hpp.
        const auto exact = p.run(Reference{});
        std::vector<float> row(static_cast<std::size_t>(k));
        for (index_t c = 0; c < n; ++c) {
          read_row(p.w.m, c, row.data());
          for (index_t r = 0; r < m; ++r) {
            double bound = p.allowed();
            for (index_t i = 0; i < k; ++i)
              bound += steps[static_cast<std::size_t>(r * ((k + 31) / 32) + i / 32)] / 2 *
                       std::fabs(static_cast<double>(row[static_cast<std::size_t>(i)]));
            const std::size_t at = static_cast<std::size_t>(r * p.y_stride + c);
            if (!(std::fabs(static_cast<double>(got[at]) - static_cast<double>(exact[at])) <= bound))
              FAIL("outside the bound: " << got[at] << " for " << exact[at]);
          }
        }
      }
}

}  // namespace

TEST_CASE("matmul on Xsimd: bytes times bytes is exact on rounded activations, and within the bound of exact ones") {
  check_bytes(Xsimd<>(), 12);
#if MOLMO_AVX2
  check_bytes(Xsimd<xsimd::fma3<xsimd::avx2>>(), 13);
#endif
}

TEST_CASE("matmul on Xsimd: rounding activations to bytes is the same on every architecture") {
  Random random(14);
  using Plain = detail::Bytes<xsimd::sse4_2, false>;
  using Here = detail::Bytes<native>;
  for (int i = 0; i < 2000; ++i) {
    auto x = random.numbers(32);
    const float scale = std::exp2(static_cast<float>(random.between(-140, 120)));
    for (float& v : x) v *= scale;
    if (i % 7 == 0) x[static_cast<std::size_t>(random.between(0, 31))] = i % 14 == 0 ? NAN : -INFINITY;
    if (i % 11 == 0) std::fill(x.begin(), x.end(), 0.0f);
    std::int8_t a[32], b[32];
    const auto p = Plain::quantise(x.data(), a), h = Here::quantise(x.data(), b);
    CAPTURE(i, scale);
    REQUIRE(std::memcmp(a, b, 32) == 0);
    REQUIRE(p.minus_sum == h.minus_sum);
    REQUIRE(std::memcmp(&p.scale, &h.scale, 4) == 0);
  }
}

TEST_CASE("matmul on Xsimd: blocks have the same bits for any number of threads, and alone as in company",
          "[threads]") {
  Random random(15);
  for (const Kind& kind : blocks)
    for (const index_t m : {1, 4, 9, 40}) {
      const Problem p(random, kind, m, m == 1 ? 9000 : 523,
                      m == 1 ? 1000 : 160);  // 9 million: more shares than threads
      CAPTURE(name(kind), m);
      const auto one = p.run(Xsimd<>(1));
      for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(p.run(Xsimd<>(threads)), one);
      if (kind.layout == Layout::rows) continue;
      std::vector<float> alone(static_cast<std::size_t>(p.n));
      multiply(Xsimd<>(1), Rows{p.x.data() + (m - 1) * p.x_stride, 1, p.k, p.x_stride},
               Product<float, Acc>{p.w.m, alone.data(), p.n, acc});
      if (detail::Bytes<native>::fast) REQUIRE_SAME_BITS(alone, std::vector<float>(one.end() - p.n, one.end()));
    }
}

TEST_CASE("gated products on Xsimd: formats of two kinds side by side") {
  Random random(16);
  for (const index_t m : {1, 20}) {
    constexpr index_t k = 64, f = 100;
    const auto x = random.numbers(m * k);
    const Stored a(random, format_id<Q8>, f, k, Layout::panels), b(random, format_id<F32>, f, k, Layout::panels);
    const auto run = [&](const auto& ctx, const Stored& gate, const Stored& up) {
      std::vector<float> y(static_cast<std::size_t>(m * f));
      gated_multiply<activation_t<ActivationType::silu>, false>(ctx, Rows{x.data(), m, k, k}, gate.m, up.m, nullptr,
                                                                nullptr, y.data());
      return y;
    };
    REQUIRE_CLOSE(run(Xsimd<>(2).exact(), a, b), run(Reference{}, a, b), 10 * tolerance(k, 1.0));
    REQUIRE_CLOSE(run(Xsimd<>(2).exact(), b, a), run(Reference{}, b, a), 10 * tolerance(k, 1.0));
    REQUIRE_CLOSE(run(Xsimd<>(2), a, b), run(Reference{}, a, b), 0.2, 0.05);  // rounding x: about 1 % of a factor
    REQUIRE_CLOSE(run(Xsimd<>(2), b, a), run(Reference{}, b, a), 0.2, 0.05);
  }
}

namespace {

// Notes which columns it was told of, and that all their rows were there by then.
struct Told {
  index_t grain;
  const float* y;
  index_t m, n;
  std::atomic<int>* times;  // of each column
  std::atomic<int>* wrong;
  void operator()(index_t begin, index_t end) const {
    if (begin % grain != 0 || (end != n && end % grain != 0)) ++*wrong;
    for (index_t c = begin; c < end; ++c) {
      ++times[c];
      for (index_t r = 0; r < m; ++r)
        if (y[r * n + c] == untouched) ++*wrong;
    }
  }
};

template <class Ctx>
void check_told(const Ctx& ctx, const Kind& kind, index_t m, index_t n, index_t grain) {
  Random random(17);
  const Problem p(random, kind, m, n, 64);
  std::vector<float> y(static_cast<std::size_t>(m * n), untouched), z = y;
  std::vector<std::atomic<int>> times(static_cast<std::size_t>(n));
  std::atomic<int> wrong = 0;
  multiply(ctx, p.rows(), Product<float, Acc>{p.w.m, z.data(), n, acc},
           Product<float, Acc, Told>{p.w.m, y.data(), n, acc, {grain, y.data(), m, n, times.data(), &wrong}});
  CHECK(wrong == 0);
  for (const auto& t : times) REQUIRE(t == 1);
  REQUIRE_SAME_BITS(y, z);
}

}  // namespace

TEST_CASE("matmul: what follows a product hears of every column once, in whole units, when its rows are stored") {
  for (const Kind& kind :
       {Kind{format_id<F32>}, Kind{format_id<Bf16>, Layout::panels}, Kind{format_id<Q4>, Layout::panels}})
    for (const index_t m : {0, 1, 20})
      for (const index_t grain : {1, 8, 16, 48, 128})
        for (const index_t n : {48, 384, 400}) {
          if (n % grain != 0) continue;
          CAPTURE(name(kind), m, grain, n);
          check_told(Reference{}, kind, m, n, grain);
          for (const int threads : {1, 2, 3, 8}) check_told(Xsimd<>(threads), kind, m, n, grain);
        }
}
#endif
