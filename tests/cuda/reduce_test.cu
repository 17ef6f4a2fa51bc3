// SPDX-License-Identifier: Apache-2.0
// Reductions on the GPU against double arithmetic; twice the same bits; errors as values. Needs a GPU.
#include <molmo/cuda.cuh>
#include <molmo/expr/where.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

TEST_CASE("cuda: sum and max_of, every length, aligned and not, the same bits twice") {
  const Cuda cuda = or_throw(Cuda::make());
  std::vector<index_t> sizes = {255, 256, 257, 65537, 1000000, 5000011};
  for (index_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for (const index_t n : sizes) {
    Numbers<float> x(n, 1);
    x[n - 1] = 9;
    double want = 0, size = 0;
    for (index_t i = 0; i < n; ++i) want += static_cast<double>(x[i]), size += std::fabs(static_cast<double>(x[i]));
    auto room = or_throw(DeviceTensor<float, dyn>::make(n + 1));
    for (const index_t shift : {0, 1}) {
      const auto v = room.view().slice(shift, n);
      or_throw(copy(cuda, v, x.tokens()));
      const float s = sum(cuda, v);
      INFO("n = " << n << ", shift " << shift);
      CHECK(std::fabs(static_cast<double>(s) - want) <= 1e-6 * size);
      CHECK(sum(cuda, v) == s);
      CHECK(max_of(cuda, v) == 9);
      for (const index_t at : {index_t{0}, n / 2, n - 1}) {
        const float kept = x[at];
        x[at] = std::numeric_limits<float>::quiet_NaN();
        or_throw(copy(cuda, v, x.tokens()));
        CHECK(std::isnan(max_of(cuda, v)));
        x[at] = kept;
      }
    }
  }
  const View<const float, Shape<dyn, 8>, Device> none(nullptr, 0);
  CHECK(sum(cuda, none) == 0);
  CHECK(cuda.synchronize());
}

namespace {

// (nvcc 13.0 does not take x.template tokens<D>() here.)
template <index_t D, class T>
View<T, Shape<dyn, D>> rows_of(Numbers<T>& x) {
  return {x.data(), x.size() / D};
}

template <index_t D>
void check_row_sums(const Cuda& cuda, index_t rows) {
  Numbers<bf16> x(rows * D, 2);
  Numbers<float> w(D, 3), s(rows), m(rows);
  auto dx = or_throw(DeviceTensor<bf16, dyn, D>::make(rows));
  auto dw = or_throw(DeviceTensor<float, D>::make());
  auto ds = or_throw(DeviceTensor<float, dyn>::make(rows)), dm = or_throw(DeviceTensor<float, dyn>::make(rows));
  or_throw(copy(cuda, dx, rows_of<D>(x)));
  or_throw(copy(cuda, dw, View<float, Shape<D>>(w.data())));
  on(cuda, ds) = row_sum(dx * dw);
  on(cuda, dm) = row_max(dx * dw);
  or_throw(copy(cuda, s.tokens(), ds));
  or_throw(copy(cuda, m.tokens(), dm));
  or_throw(cuda.synchronize());
  double everything = 0, size = 0;
  for (index_t r = 0; r < rows; ++r) {
    double want = 0, all = 0, largest = -1e30;
    for (index_t c = 0; c < D; ++c) {
      const double v = static_cast<double>(x[r * D + c]) * static_cast<double>(w[c]);
      want += v, all += std::fabs(v), largest = std::max(largest, v);
    }
    INFO(rows << " x " << D << ", row " << r);
    CHECK(std::fabs(static_cast<double>(s[r]) - want) <= 1e-6 * all);
    CHECK(static_cast<double>(m[r]) == Approx(largest).epsilon(1e-6));
    everything += want, size += all;
  }
  CHECK(std::fabs(static_cast<double>(sum(cuda, dx * dw)) - everything) <= 1e-6 * size);
}

}  // namespace

TEST_CASE("cuda: row_sum, row_max and a broadcasting sum") {
  const Cuda cuda = or_throw(Cuda::make());
  check_row_sums<1>(cuda, 9);
  check_row_sums<33>(cuda, 70);
  check_row_sums<128>(cuda, 1);
  check_row_sums<4096>(cuda, 300);
  check_row_sums<33001>(cuda, 5);
}

namespace {

template <index_t D>
void check_row_operands(const Cuda& cuda, index_t rows) {
  Numbers<bf16> x(rows * D, 4);
  Numbers<float> w(D, 5), y(rows * D), s(rows);
  auto dx = or_throw(DeviceTensor<bf16, dyn, D>::make(rows));
  auto dw = or_throw(DeviceTensor<float, D>::make());
  auto dy = or_throw(DeviceTensor<float, dyn, D>::make(rows));
  auto ds = or_throw(DeviceTensor<float, dyn>::make(rows));
  or_throw(copy(cuda, dx, rows_of<D>(x)));
  or_throw(copy(cuda, dw, View<float, Shape<D>>(w.data())));
  on(cuda, dy) = dx * rsqrt(mean(dx * dx) + 1e-5) * dw - variance(dx);
  on(cuda, ds) = where(any(dx), log_sum_exp(dx - mean(dx)), 0) + min_of(dx);
  or_throw(copy(cuda, rows_of<D>(y), dy));
  or_throw(copy(cuda, s.tokens(), ds));
  or_throw(cuda.synchronize());
  for (index_t r = 0; r < rows; ++r) {
    double squares = 0, total = 0, spread = 0, powers = 0, least = 1e30;
    const auto at = [&](index_t c) { return static_cast<double>(x[r * D + c]); };
    for (index_t c = 0; c < D; ++c) squares += at(c) * at(c), total += at(c), least = std::min(least, at(c));
    const double m = total / D;
    for (index_t c = 0; c < D; ++c) spread += (at(c) - m) * (at(c) - m) / D, powers += std::exp(at(c) - m);
    INFO(rows << " x " << D << ", row " << r);
    CHECK(static_cast<double>(s[r]) == Approx(std::log(powers) + least).margin(1e-4));
    for (index_t c = 0; c < D; ++c)
      CHECK(static_cast<double>(y[r * D + c]) ==
            Approx(at(c) / std::sqrt(squares / D + 1e-5) * static_cast<double>(w[c]) - spread).margin(2e-5));
  }
  CHECK(std::fabs(mean(cuda, dx) - mean(Reference{}, rows_of<D>(x))) < 1e-5f);
  CHECK(variance(cuda, dx) == Approx(variance(Reference{}, rows_of<D>(x))).epsilon(1e-5));
  CHECK(min_of(cuda, dx) == min_of(Reference{}, rows_of<D>(x)));
  CHECK(any(cuda, dx));
}

}  // namespace

TEST_CASE("cuda: row reductions as operands") {
  const Cuda cuda = or_throw(Cuda::make());
  check_row_operands<2>(cuda, 9);
  check_row_operands<33>(cuda, 70);
  check_row_operands<4096>(cuda, 300);
}

TEST_CASE("cuda: no memory and other lengths are errors with a sentence, and the GPU goes on") {
  const Cuda cuda = or_throw(Cuda::make());
  const auto huge = DeviceTensor<float, dyn, 4096>::make(index_t{1} << 40);
  REQUIRE_FALSE(huge);
  CHECK(huge.error().code == errc::out_of_memory);
  const auto senseless = DeviceTensor<float, dyn>::make(-1);
  REQUIRE_FALSE(senseless);
  CHECK(senseless.error().message.find("-1") != std::string::npos);
  auto x = or_throw(DeviceTensor<float, dyn>::make(8));
  Numbers<float> host(9);
  const auto refused = copy(cuda, x, host.tokens());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::invalid_argument);
  on(cuda, x) = x + 2;
  CHECK(sum(cuda, x) == 16);
  CHECK(cuda.synchronize());
}
