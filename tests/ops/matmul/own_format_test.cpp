// SPDX-License-Identifier: Apache-2.0
// A weight format that only this file knows, in every op that reads weights, on every CPU backend: products agree with
// those of the decoded weights, at sizes that fill neither blocks nor panels.
#include <molmo/cpu.hpp>
#include <molmo/ops/embed/embed.hpp>
#if MOLMO_HAS_EIGEN
#include <molmo/eigen.hpp>
#endif
#if MOLMO_HAS_ONEDNN
#include <molmo/onednn.hpp>
#endif

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstring>
#include <vector>

using namespace molmo;
using molmo_test::Random;

namespace {

// A scale and codes of one byte, on a scale of squares: w = s q |q|.
template <index_t Block>
struct Squares {
  static constexpr const char* name = "squares";
  static constexpr index_t block = Block, bytes = 4 + Block;

  static void decode(const std::byte* p, float* out) {
    float scale;
    std::memcpy(&scale, p, sizeof scale);
    for (index_t i = 0; i < block; ++i) {
      const auto q = static_cast<float>(std::to_integer<signed char>(p[4 + i]));
      out[i] = scale * q * std::fabs(q);
    }
  }
};

// A matrix of random blocks, and the same weights as the test decodes them.
template <class F>
struct Stored {
  std::vector<std::byte> bytes;
  std::vector<float> weights;
  WeightMatrix matrix;

  Stored(Random& random, index_t rows, index_t cols)
      : bytes(static_cast<std::size_t>(rows * format_bytes<F>(cols))), weights(static_cast<std::size_t>(rows * cols)) {
    float block[F::block];
    for (index_t n = 0; n < rows; ++n)
      for (index_t b = 0; b < format_blocks<F>(cols); ++b) {
        std::byte* p = bytes.data() + (n * format_blocks<F>(cols) + b) * F::bytes;
        const float scale = 1e-4f * (1 + static_cast<float>(random.between(0, 6)));
        std::memcpy(p, &scale, sizeof scale);
        for (index_t i = 0; i < F::block; ++i) p[4 + i] = static_cast<std::byte>(random.between(0, 255));
        F::decode(p, block);
        for (index_t k = b * F::block; k < cols && k < (b + 1) * F::block; ++k)
          weights[static_cast<std::size_t>(n * cols + k)] = block[k - b * F::block];
      }
    matrix = {bytes.data(), format_id<F>, rows, cols};
  }
};

template <class Ctx, class F>
void compare(const Ctx& ctx, Random& random, index_t m, index_t n, index_t k) {
  const Stored<F> w(random, n, k);
  std::vector<float> x(static_cast<std::size_t>(m * k)), y(static_cast<std::size_t>(m * n), NAN);
  for (float& v : x) v = random.number();
  multiply(ctx, Rows{x.data(), m, k, k}, Product<float, Acc>{w.matrix, y.data(), n, acc});
  for (index_t r = 0; r < m; ++r)
    for (index_t c = 0; c < n; ++c) {
      double sum = 0, size = 0;
      for (index_t i = 0; i < k; ++i) {
        const double p = static_cast<double>(x[static_cast<std::size_t>(r * k + i)]) *
                         static_cast<double>(w.weights[static_cast<std::size_t>(c * k + i)]);
        sum += p;
        size += std::fabs(p);
      }
      const double error = std::fabs(static_cast<double>(y[static_cast<std::size_t>(r * n + c)]) - sum);
      if (!(error <= 1e-6 * size)) FAIL(Ctx::name << " " << r << " " << c << " of " << m << " " << n << " " << k);
    }
}

template <class Ctx>
void compare_all(const Ctx& ctx) {
  Random random(11);
  for (const index_t m : {1, 3, 40})
    for (const index_t n : {5, 16, 70})
      for (const index_t k : {1, 64, 300, 1030}) {
        compare<Ctx, Squares<32>>(ctx, random, m, n, k);
        compare<Ctx, Squares<1>>(ctx, random, m, n, k);
        compare<Ctx, Squares<256>>(ctx, random, m, n, k);
      }
}

}  // namespace

TEST_CASE("a format of your own: matmul on every backend", "[own_format]") {
  compare_all(Reference());
  compare_all(Xsimd());
  compare_all(Xsimd(3));
#if MOLMO_HAS_EIGEN
  compare_all(EigenCpu());
#endif
#if MOLMO_HAS_ONEDNN
  compare_all(OneDnn());
#endif
  SUCCEED();
}

TEST_CASE("a format of your own: a statement with a typed weight, and its slice", "[own_format]") {
  Random random(12);
  const Stored<Squares<32>> w(random, 48, 96);
  Tensor<float, dyn, 96> x{2};
  Tensor<float, dyn, 48> y{2};
  for (index_t i = 0; i < x.size(); ++i) x[i] = random.number();
  const Xsimd cpu;
  on(cpu, y) = matmul(x, Weight<Shape<48, 96>>(w.bytes.data(), format_id<Squares<32>>)).then(acc * 2);
  std::vector<float> part(10);
  multiply(cpu, Rows{x.data(), 1, 96, 96}, Product<float, Acc>{w.matrix.slice(7, 10), part.data(), 10, acc});
  for (index_t n = 0; n < 10; ++n) CHECK(2 * part[static_cast<std::size_t>(n)] == y(0, n + 7));
}

TEST_CASE("a format of your own: embed", "[own_format]") {
  Random random(13);
  const Stored<Squares<64>> w(random, 9, 300);
  const std::int32_t ids[] = {8, 0, 3};
  std::vector<float> y(3 * 300, NAN);
  embed(Reference(), ids, 3, w.matrix, WeightMatrix{}, y.data());
  for (std::size_t t = 0; t < 3; ++t)
    CHECK(std::memcmp(y.data() + t * 300, w.weights.data() + static_cast<std::size_t>(ids[t]) * 300, 300 * 4) == 0);
}
