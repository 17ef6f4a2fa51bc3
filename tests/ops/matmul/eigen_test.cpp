// SPDX-License-Identifier: Apache-2.0
// matmul on EigenCpu against the plain loop in double precision, for every format, and Eigen's types as views.
#if defined(MOLMO_HAS_EIGEN)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 on its own AVX-512 header, inlined into Eigen
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <molmo/ops/matmul/eigen.hpp>

#include <support/catch.hpp>

#include <cmath>
#include <thread>
#include <vector>

using namespace molmo;

namespace {

template <class T>
T value(index_t i) {
  return T(static_cast<float>(i * 7919 % 2039) / 1019.0f - 1.0f);
}
template <class T, index_t... D>
void fill(Tensor<T, D...>& t, index_t seed) {
  for (index_t i = 0; i < t.size(); ++i) t[i] = value<T>(i + seed);
}

// Compares EigenCpu with Reference; the sums of k products of numbers below 1 are below k.
template <index_t N, index_t K, class W>
void check(index_t tokens) {
  Tensor<float, dyn, K> x(tokens);
  Tensor<W, N, K> w;
  Tensor<float, dyn, N> got(tokens), want(tokens), side(tokens);
  Tensor<bf16, dyn, N> narrow_got(tokens), narrow_want(tokens);
  fill(x, 1), fill(w, 2), fill(side, 3), fill(got, 4), fill(want, 4);
  const EigenCpu eigen;
  const Reference plain;
  const auto compare = [&](double tolerance) {
    for (index_t i = 0; i < got.size(); ++i)
      REQUIRE(std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])) <= tolerance);
  };
  INFO("tokens " << tokens << " n " << N << " k " << K);
  const double tolerance = 1e-6 * static_cast<double>(K);
  on(eigen, got) = matmul(x, w).then(silu(acc) * side + got);  // y in its own epilogue
  on(plain, want) = matmul(x, w).then(silu(acc) * side + want);
  compare(tolerance);
  on(eigen, got) = matmul(x, w);
  on(plain, want) = matmul(x, w);
  compare(tolerance);
  on(eigen, narrow_got) = matmul(x, w).then(acc * 0.5);
  on(plain, narrow_want) = matmul(x, w).then(acc * 0.5);
  for (index_t i = 0; i < got.size(); ++i)
    REQUIRE(std::abs(static_cast<double>(narrow_got[i]) - static_cast<double>(narrow_want[i])) <=
            tolerance + std::abs(static_cast<double>(narrow_want[i])) / 128);
}

}  // namespace

TEST_CASE("EigenCpu: products of every format and of awkward sizes") {
  for (const index_t tokens : {1, 2, 7, 33}) {
    check<1, 1, float>(tokens);
    check<5, 3, float>(tokens);
    check<37, 300, float>(tokens);
    check<300, 64, float>(tokens);
    check<37, 300, bf16>(tokens);
    check<300, 64, bf16>(tokens);
    check<300, 513, f16>(tokens);
  }
  check<257, 65, float>(300);
  check<257, 65, f16>(300);
}

TEST_CASE("EigenCpu: no tokens") {
  Tensor<float, dyn, 8> x(0);
  Tensor<float, 4, 8> w;
  Tensor<float, dyn, 4> y(0);
  on(EigenCpu{}, y) = matmul(x, w);
  CHECK(y.size() == 0);
}

TEST_CASE("EigenCpu: one backend in two threads") {
  constexpr index_t n = 300, k = 128, tokens = 9;
  Tensor<float, dyn, k> x(tokens);
  Tensor<float, n, k> w;
  fill(x, 1), fill(w, 2);
  const EigenCpu eigen;
  Tensor<float, dyn, n> want(tokens), one(tokens), two(tokens);
  on(eigen, want) = matmul(x, w);
  const auto work = [&](Tensor<float, dyn, n>& y) {
    for (int i = 0; i < 50; ++i) on(eigen, y) = matmul(x, w);
  };
  std::thread other([&] { work(two); });
  work(one);
  other.join();
  for (index_t i = 0; i < want.size(); ++i) REQUIRE((one[i] == want[i] && two[i] == want[i]));
}
#endif
