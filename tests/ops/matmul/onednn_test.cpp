// SPDX-License-Identifier: Apache-2.0
// matmul on OneDnn: against the plain loop in double precision, the same bits for every number of threads, and all that
// falls back to Xsimd.
#if defined(MOLMO_HAS_ONEDNN) && defined(MOLMO_HAS_XSIMD)
#include <molmo/ops/matmul/onednn.hpp>

#include <support/catch.hpp>

#include <cmath>
#include <cstring>
#include <thread>
#include <atomic>
#include <vector>

using namespace molmo;

namespace {

template <class T, index_t... D>
void fill(Tensor<T, D...>& t, index_t seed) {
  for (index_t i = 0; i < t.size(); ++i) t[i] = T(static_cast<float>((i + seed) * 7919 % 2039) / 1019.0f - 1.0f);
}

// A sample of elements against double precision.
template <class Y, class X, class W>
double worst_error(const Y& y, const X& x, const W& w) {
  double worst = 0;
  for (index_t i = 0; i < 997; ++i) {
    const index_t m = i * 7919 % y.rows(), n = i * 104729 % y.cols();
    double sum = 0;
    for (index_t k = 0; k < x.cols(); ++k) sum += static_cast<double>(x(m, k)) * static_cast<double>(w(n, k));
    worst = std::max(worst, std::abs(sum - static_cast<double>(y(m, n))));
  }
  return worst;
}

template <class T, index_t... D>
bool same_bits(const Tensor<T, D...>& a, const Tensor<T, D...>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("OneDnn: oneDNN takes the product") {
  const OneDnn<> cpu;
  const auto primitive = cpu.state().matmul({64, 256, 128, 128});
  REQUIRE(primitive != nullptr);
  CHECK(cpu.state().matmul({64, 256, 128, 128}) == primitive);  // made once
  CHECK(cpu.state().matmul({65, 256, 128, 128}) != primitive);
  const OneDnn<> copy = cpu;
  CHECK(copy.state().matmul({64, 256, 128, 128}) == primitive);  // shared with copies
}

TEMPLATE_TEST_CASE_SIG("OneDnn: large products, tiles that are not whole", "",
                       ((index_t N, index_t K, index_t M), N, K, M), (1000, 700, 64), (513, 1024, 300), (256, 512, 256),
                       (37, 2048, 520), (300, 333, 77)) {
  Tensor<float, dyn, K> x(M);
  Tensor<float, N, K> w;
  Tensor<float, dyn, N> y(M), plain(M), side(M);
  fill(x, 1), fill(w, 2), fill(side, 3);
  REQUIRE(M * N * K >= detail::dnnl_multiply_adds);  // or Xsimd would be tested
  const OneDnn<> cpu;
  on(cpu, y) = matmul(x, w);
  CHECK(worst_error(y, x, w) <= 1e-6 * static_cast<double>(K));

  // The epilogue with a residual in y is the plain product followed by the same pass.
  on(cpu, plain) = plain * 0.0f;
  for (index_t i = 0; i < y.size(); ++i) plain[i] = y[i];
  Tensor<float, dyn, N> residual(M);
  fill(residual, 4);
  on(cpu, plain) = silu(plain) * side + residual;
  on(cpu, residual) = matmul(x, w).then(silu(acc) * side + residual);
  CHECK(same_bits(residual, plain));
}

TEST_CASE("OneDnn: bits do not depend on the number of threads") {
  constexpr index_t n = 1300, k = 600, m = 290;
  Tensor<float, dyn, k> x(m);
  Tensor<float, n, k> w;
  fill(x, 1), fill(w, 2);
  Tensor<float, dyn, n> want(m);
  on(OneDnn<>{}, want) = matmul(x, w);
  for (const int threads : {2, 3, 8}) {
    Tensor<float, dyn, n> y(m);
    on(OneDnn<>{threads}, y) = matmul(x, w);
    INFO(threads << " threads");
    CHECK(same_bits(y, want));
  }
}

TEST_CASE("OneDnn: what is small or stored in 16 bits is left to Xsimd") {
  constexpr index_t n = 1024, k = 512;
  Tensor<float, n, k> w;
  Tensor<bf16, n, k> narrow;
  fill(w, 2), fill(narrow, 2);
  for (const index_t m : {index_t{1}, index_t{8}, index_t{64}}) {
    Tensor<float, dyn, k> x(m);
    fill(x, 1);
    Tensor<float, dyn, n> y(m), want(m);
    on(OneDnn<>{2}, y) = matmul(x, narrow);
    on(Xsimd<>{2}, want) = matmul(x, narrow);
    CHECK(same_bits(y, want));
    if (m >= detail::dnnl_rows) continue;
    on(OneDnn<>{2}, y) = matmul(x, w);
    on(Xsimd<>{2}, want) = matmul(x, w);
    CHECK(same_bits(y, want));
  }
}

TEST_CASE("OneDnn: several products of one x, the second reading the first; bf16 results") {
  constexpr index_t n = 700, k = 512, m = 72;
  Tensor<float, dyn, k> x(m);
  Tensor<float, n, k> gate, up;
  fill(x, 1), fill(gate, 2), fill(up, 3);
  Tensor<float, dyn, n> g(m), y(m), h(m), want(m);
  const OneDnn<> cpu{3};
  on(cpu, g) = matmul(x, gate);
  on(cpu, want) = matmul(x, up).then(silu(g) * acc);

  const auto epilogue = (silu(h) * acc).template erased<Shape<dyn, n>>();
  const WeightMatrix wg = Weight<Shape<n, k>>(gate.view()).matrix(), wu = Weight<Shape<n, k>>(up.view()).matrix();
  multiply(cpu, Rows{x.data(), m, k, k}, Product<float, Acc>{wg, h.data(), n, acc},
           Product<float, std::remove_const_t<decltype(epilogue)>>{wu, h.data(), n, epilogue});
  CHECK(same_bits(h, want));

  Tensor<bf16, dyn, n> narrow(m);
  on(cpu, narrow) = matmul(x, gate);
  for (index_t i = 0; i < g.size(); ++i) REQUIRE(narrow[i].bits == bf16(g[i]).bits);
}

TEST_CASE("OneDnn: without memory for a tile the plain loop takes over") {
  constexpr index_t n = 300, k = 70, m = 41;
  Tensor<float, dyn, k> x(m);
  Tensor<float, n, k> w;
  Tensor<float, dyn, n> y(m), want(m);
  fill(x, 1), fill(w, 2), fill(y, 3), fill(want, 3);
  const auto epilogue = (acc + y).template erased<Shape<dyn, n>>();
  const Product<float, std::remove_const_t<decltype(epilogue)>> product{Weight<Shape<n, k>>(w.view()).matrix(),
                                                                        y.data(), n, epilogue};
  detail::dnnl_columns<Lanes<>>(nullptr, detail::DnnlTiles{}, Rows{x.data(), m, k, k}, product, Range{0, 256});
  detail::dnnl_columns<Lanes<>>(nullptr, detail::DnnlTiles{}, Rows{x.data(), m, k, k}, product, Range{256, n});
  on(Reference{}, want) = matmul(x, w).then(acc + want);
  for (index_t i = 0; i < y.size(); ++i) REQUIRE(std::abs(y[i] - want[i]) <= 1e-5f);
}

TEST_CASE("OneDnn: two sessions at once with one backend") {
  constexpr index_t n = 600, k = 500, m = 64;
  Tensor<float, dyn, k> x(m);
  Tensor<float, n, k> w;
  fill(x, 1), fill(w, 2);
  const OneDnn<> cpu{2};
  Tensor<float, dyn, n> want(m), one(m), two(m);
  on(cpu, want) = matmul(x, w);
  const auto work = [&](Tensor<float, dyn, n>& y) {
    for (int i = 0; i < 20; ++i) on(cpu, y) = matmul(x, w);
  };
  std::thread other([&] { work(two); });
  work(one);
  other.join();
  CHECK(same_bits(one, want));
  CHECK(same_bits(two, want));
}

TEST_CASE("OneDnn: a long session with prompts of many lengths keeps the cache small and the results right") {
  constexpr index_t n = 512, k = 512;
  Tensor<float, n, k> w;
  fill(w, 2);
  const OneDnn<> cpu;
  for (index_t m = 64; m < 260; ++m) {
    Tensor<float, dyn, k> x(m);
    fill(x, m);
    Tensor<float, dyn, n> y(m);
    on(cpu, y) = matmul(x, w);
    REQUIRE(worst_error(y, x, w) <= 1e-6 * static_cast<double>(k));
  }
}

namespace {

/// Counts how often it hears of each column.
struct Heard {
  index_t grain;
  std::atomic<int>* times;
  std::atomic<int>* cut;  // units that were cut in two
  template <class Ctx>
  void operator()(const Ctx&, Range columns) const {
    if (columns.begin % grain != 0 || columns.end % grain != 0) ++*cut;
    for (index_t c = columns.begin; c < columns.end; ++c) ++times[c];
  }
};

}  // namespace

TEST_CASE("OneDnn: when_stored hears of every column once, in whole units, whether tiles hold whole units or not") {
  constexpr index_t m = 80, k = 128, n = 528;  // enough for oneDNN
  Tensor<float, dyn, k> x(m);
  Tensor<float, n, k> w;
  Tensor<float, dyn, n> y(m), z(m);
  for (const index_t grain : {16, 48})
    for (const int threads : {1, 3}) {
      std::vector<std::atomic<int>> times(2 * n);
      std::atomic<int> cut = 0;
      const Heard heard{grain, times.data(), &cut};
      on(OneDnn<>(threads), y, z) = matmul(x, w, w).when_stored(heard);
      CHECK(cut == 0);
      for (const auto& t : times) REQUIRE(t == 1);
    }
}
#endif
