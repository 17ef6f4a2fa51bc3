// SPDX-License-Identifier: Apache-2.0
// Pack on the host: the arithmetic and the 16-byte pieces that a GPU thread uses.
#include <molmo/backend/cuda_pack.hpp>

#include "expr/fixtures.hpp"
#include "support/catch.hpp"

#include <array>

using namespace molmo;

namespace {

template <int N, class T>
void check_memory() {
  alignas(16) std::array<T, N + 16> in{}, out{};
  for (unsigned round = 0; round < 65536; round += N) {
    for (unsigned i = 0; i < N; ++i) {
      if constexpr (sizeof(T) == 2)
        in[8 + i].bits = static_cast<std::uint16_t>(round + i);  // every value there is
      else
        in[8 + i] = static_cast<float>(round + i) * 0.37f - 9000;
    }
    const auto p = Pack<N>::load(in.data() + 8);
    p.store(out.data() + 8);
    for (std::size_t i = 0; i < N; ++i) {
      const float want = static_cast<float>(in[8 + i]);
      const bool right = std::isnan(want) ? std::isnan(p.v[i]) && std::isnan(static_cast<float>(out[8 + i]))
                                          : p.v[i] == want && std::memcmp(&out[8 + i], &in[8 + i], sizeof(T)) == 0;
      if (!right) FAIL_CHECK("value " << round + i);
    }
  }
  for (std::size_t i = 0; i < 8; ++i)
    CHECK((static_cast<float>(out[i]) == 0 && static_cast<float>(out[8 + N + i]) == 0));
}

template <int N>
void check_arithmetic() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Pack<N> a, b;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < N; ++i) {
      a.v[i] = (round == 3 && i == 1) ? nan : 0.3f * static_cast<float>(i + round) - 2;
      b.v[i] = (round == 4 && i == 2) ? nan : 1.7f - 0.11f * static_cast<float>(i * round);
    }
    const auto check = [&](const Pack<N>& got, auto want) {
      for (int i = 0; i < N; ++i) {
        const float w = want(a.v[i], b.v[i]);
        CHECK(((std::isnan(w) && std::isnan(got.v[i])) || w == got.v[i]));
      }
    };
    check(a + b, [](float x, float y) { return x + y; });
    check(a - b, [](float x, float y) { return x - y; });
    check(a * b, [](float x, float y) { return x * y; });
    check(a / b, [](float x, float y) { return x / y; });
    check(-a, [](float x, float) { return -x; });
    check(abs(a), [](float x, float) { return std::fabs(x); });
    check(sqrt(a), [](float x, float) { return std::sqrt(x); });
    check(exp(a), [](float x, float) { return std::exp(x); });
    check(tanh(a), [](float x, float) { return std::tanh(x); });
    check(erf(a), [](float x, float) { return std::erf(x); });
    check(exp2(a), [](float x, float) { return std::exp2(x); });
    check(expm1(a), [](float x, float) { return std::expm1(x); });
    check(log(a), [](float x, float) { return std::log(x); });
    check(log1p(a), [](float x, float) { return std::log1p(x); });
    check(pow(a, b), [](float x, float y) { return std::pow(x, y); });
    check(sin(a), [](float x, float) { return std::sin(x); });
    check(cos(a), [](float x, float) { return std::cos(x); });
    check(floor(a), [](float x, float) { return std::floor(x); });
    check(ceil(a), [](float x, float) { return std::ceil(x); });
    check(round_to_integer(a), [](float x, float) { return std::nearbyint(x); });
    check(select_less(a, b, -a, a), [](float x, float y) { return x < y ? -x : x; });
    check(larger(a, b), [](float x, float y) { return x > y ? x : y; });
    check(larger_or_nan(a, b), [](float x, float y) { return std::isnan(x) || x > y ? x : y; });
    check(smaller(a, b), [](float x, float y) { return x < y ? x : y; });
    check(Pack<N>::broadcast(2.5f), [](float, float) { return 2.5f; });
  }
}

}  // namespace

TEST_CASE("packs load and store whole chunks of float, bf16 and f16") {
  check_memory<4, float>();
  check_memory<8, float>();
  check_memory<8, bf16>();
  check_memory<8, f16>();
}

TEST_CASE("packs round as the scalar types do") {
  alignas(16) std::array<bf16, 8> b;
  alignas(16) std::array<f16, 8> h;
  for (int round = -4000; round < 4000; ++round) {
    Pack<8> p;
    for (int i = 0; i < 8; ++i) p.v[i] = std::ldexp(1.0f + static_cast<float>(i) * 0x1p-9f + 0x1p-12f, round / 100);
    p.store(b.data());
    p.store(h.data());
    for (std::size_t i = 0; i < 8; ++i) CHECK((b[i].bits == bf16(p.v[i]).bits && h[i].bits == f16(p.v[i]).bits));
  }
}

TEST_CASE("packs calculate as numbers do") {
  check_arithmetic<4>();
  check_arithmetic<8>();
}

TEST_CASE("the size of a pack follows from what lies in memory") {
  using F = View<const float, Shape<dyn, 64>, Device>;
  using B = View<const bf16, Shape<dyn, 64>, Device>;
  using D = View<const double, Shape<dyn, 64>, Device>;
  using Row = View<const f16, Shape<64>, Device>;
  const F f;
  const B b;
  const D d;
  const Row row;
  STATIC_REQUIRE(pack_size<float, decltype(f + silu(f))> == 4);
  STATIC_REQUIRE(pack_size<bf16, decltype(f + silu(f))> == 8);
  STATIC_REQUIRE(pack_size<float, decltype(f + silu(b) * f)> == 8);
  STATIC_REQUIRE(pack_size<float, decltype(clamp(f * row, 0.0, 1.0))> == 8);
  STATIC_REQUIRE(pack_size<float, decltype(f * d)> == 1);
  STATIC_REQUIRE(pack_size<double, decltype(f + f)> == 1);
  STATIC_REQUIRE(pack_size<float, decltype(f * 2.0)> == 4);
}
