// SPDX-License-Identifier: Apache-2.0
// Lanes: every operation against a loop over plain numbers, for every element type and every partial count. Compiled
// for the instruction set of this build; `portable` below checks the loops that other instruction sets use.
#if MOLMO_HAS_XSIMD
#include <molmo/backend/lanes.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

using namespace molmo;

namespace {

using V = Lanes<>;
constexpr int size = V::size;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

std::vector<float> unpack(V v) {
  std::vector<float> out(static_cast<std::size_t>(size));
  v.store(out.data());
  return out;
}
bool same(float a, float b) {  // the same bits, or both NaN
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

// Numbers of every kind, in many orders.
std::vector<float> numbers(std::size_t n, unsigned seed) {
  static const std::vector<float> special = {0.0f,   -0.0f,    1.0f,     -1.0f, inf,   -inf,      not_a_number, 1e-41f,
                                             -3e38f, 65504.0f, 65520.0f, 6e-8f, 3e-8f, 0x1.01p0f, 0x1.03p0f};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 10);
  std::vector<float> out;
  for (std::size_t i = 0; i < n; ++i)
    out.push_back(random() % 3 == 0 ? special[random() % special.size()] : normal(random));
  return out;
}

// The same for one type: loads and stores, whole and partial, at addresses of every alignment.
template <class T, class Native>
void check_memory() {
  using batch = typename V::batch;
  for (unsigned seed = 0; seed < 40; ++seed)
    for (int count = 0; count <= size; ++count) {
      const auto wide = numbers(static_cast<std::size_t>(size), seed);
      // The block ends with the last element that may be touched.
      std::vector<T> in;
      for (int i = 0; i < count; ++i) in.push_back(T(wide[static_cast<std::size_t>(i)]));
      in.shrink_to_fit();
      const batch loaded = count == size ? Native::load(in.data()) : Native::load(in.data(), count);
      const auto got = unpack(V(loaded));
      for (int i = 0; i < size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        CHECK(same(got[at], i < count ? static_cast<float>(in[at]) : 0.0f));
      }
      std::vector<T> out(static_cast<std::size_t>(count) + 2, T(-7.0f));
      const V v = V::load(wide.data());
      if (count == size)
        Native::store(out.data() + 1, v.v);
      else
        Native::store(out.data() + 1, v.v, count);
      CHECK(static_cast<float>(out.front()) == -7);
      CHECK(static_cast<float>(out.back()) == -7);
      for (int i = 0; i < count; ++i)
        CHECK(same(static_cast<float>(out[static_cast<std::size_t>(i) + 1]),
                   static_cast<float>(T(wide[static_cast<std::size_t>(i)]))));
    }
}

template <class Make, class Want>
void check_two(const char* name, Make make, Want want) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    const auto a = numbers(static_cast<std::size_t>(size), seed),
               b = numbers(static_cast<std::size_t>(size), seed + 1000);
    const auto got = unpack(make(V::load(a.data()), V::load(b.data())));
    for (std::size_t i = 0; i < a.size(); ++i) {
      INFO(name << "(" << a[i] << ", " << b[i] << ") = " << got[i]);
      CHECK(same(got[i], want(a[i], b[i])));
    }
  }
}

}  // namespace

TEST_CASE("lanes load and store float, double, bf16 and f16, whole and in part") {
  using N = detail::NativeLanes<native>;
  check_memory<float, N>();
  check_memory<double, N>();
  check_memory<bf16, N>();
  check_memory<f16, N>();
}

TEST_CASE("portable lanes load and store the same") {
  using P = detail::PortableLanes<native>;
  check_memory<float, P>();
  check_memory<bf16, P>();
  check_memory<f16, P>();
}

TEST_CASE("all 65536 values of bf16 and f16 widen as the scalar types do") {
  const auto check = [](auto type) {
    using T = decltype(type);
    std::vector<T> in(65536);
    for (unsigned bits = 0; bits < 65536; ++bits) in[bits].bits = static_cast<std::uint16_t>(bits);
    unsigned wrong = 0;
    for (unsigned bits = 0; bits < 65536; bits += static_cast<unsigned>(size)) {
      const auto got = unpack(V::load(in.data() + bits));
      for (unsigned i = 0; i < static_cast<unsigned>(size); ++i)
        wrong += !same(got[i], static_cast<float>(in[bits + i]));
    }
    CHECK(wrong == 0);
  };
  check(bf16());
  check(f16());
}

TEST_CASE("lanes calculate as numbers do") {
  check_two(
      "add", [](V a, V b) { return a + b; }, [](float a, float b) { return a + b; });
  check_two(
      "sub", [](V a, V b) { return a - b; }, [](float a, float b) { return a - b; });
  check_two(
      "mul", [](V a, V b) { return a * b; }, [](float a, float b) { return a * b; });
  check_two(
      "div", [](V a, V b) { return a / b; }, [](float a, float b) { return a / b; });
  check_two(
      "neg", [](V a, V) { return -a; }, [](float a, float) { return -a; });
  check_two(
      "abs", [](V a, V) { return abs(a); }, [](float a, float) { return std::fabs(a); });
  check_two(
      "sqrt", [](V a, V) { return sqrt(a); }, [](float a, float) { return std::sqrt(a); });
  check_two(
      "round", [](V a, V) { return round_to_integer(a); }, [](float a, float) { return std::nearbyint(a); });
  // larger and smaller: the second argument when either is NaN, or when both are zero.
  check_two(
      "larger", [](V a, V b) { return larger(a, b); }, [](float a, float b) { return a > b ? a : b; });
  check_two(
      "smaller", [](V a, V b) { return smaller(a, b); }, [](float a, float b) { return a < b ? a : b; });
  check_two(
      "larger_or_nan", [](V a, V b) { return larger_or_nan(a, b); },
      [](float a, float b) { return std::isnan(a) || std::isnan(b) ? not_a_number : a > b ? a : b; });
  check_two(
      "select_less", [](V a, V b) { return select_less(a, b, a, -b); },
      [](float a, float b) { return a < b ? a : -b; });
  check_two(
      "with_sign", [](V a, V b) { return with_sign(abs(a), b); },
      [](float a, float b) { return std::isnan(a) ? not_a_number : std::copysign(std::fabs(a), b); });
  for (const float x : unpack(V::broadcast(-2.5f))) CHECK(x == -2.5f);
}

TEST_CASE("fma rounds once where the instruction set can") {
  const volatile float not_folded = 0x1.000002p0f;
  const float a = not_folded, c = -1.0f;
  const auto got = unpack(fma(V::broadcast(a), V::broadcast(a), V::broadcast(c)));
#if MOLMO_AVX2
  const float want = std::fma(a, a, c);
#else
  const volatile float product = a * a;
  const float want = product + c;
#endif
  for (const float x : got) CHECK(x == want);
}

TEST_CASE("scaling by powers of two is exact down to the subnormals") {
  for (const float x : {1.0f, -1.5f, 0x1.fffffep0f, 0.75f})
    for (int n = -252; n <= 252; ++n) {
      const auto got = unpack(scale_by_power_of_2(V::broadcast(x), V::broadcast(static_cast<float>(n))));
      const float want = std::ldexp(x, n);
      INFO(x << " * 2^" << n);
      // In two factors a subnormal result may be rounded twice: at most one last bit of it.
      for (const float g : got) CHECK((g == want || (std::fabs(want) < 0x1p-126f && std::fabs(g - want) <= 0x1p-149f)));
    }
}

TEST_CASE("sums across lanes: one at a time and eight at once have the same bits, and the right value") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  for (int round = 0; round < 500; ++round) {
    V v[8];
    double want[8] = {};
    for (int i = 0; i < 8; ++i) {
      float lane[static_cast<std::size_t>(size)];
      for (float& x : lane)
        x = normal(random) * std::ldexp(1.0f, static_cast<int>(random() % 20)), want[i] += static_cast<double>(x);
      v[i] = V::load(lane);
    }
    float all[8];
    V::reduce_add8(v, all);
    for (int i = 0; i < 8; ++i) {
      const float one = reduce_add(v[i]);
      CHECK(same(all[i], one));
      CHECK(std::fabs(static_cast<double>(one) - want[i]) <= 1e6 * size * 1.2e-7);
    }
  }
  std::vector<float> ramp;
  for (int i = 0; i < size; ++i) ramp.push_back(static_cast<float>(i + 1));
  CHECK(reduce_add(V::load(ramp.data())) == static_cast<float>(size * (size + 1) / 2));
  CHECK(reduce_max(V::load(ramp.data())) == static_cast<float>(size));
  CHECK(reduce_max(-V::load(ramp.data())) == -1);
}

TEST_CASE("two instruction sets are two types") {
  STATIC_REQUIRE(std::is_same_v<Lanes<>, Lanes<native>>);
  STATIC_REQUIRE(std::is_trivially_copyable_v<V>);
  STATIC_REQUIRE(sizeof(V) == sizeof(float) * static_cast<std::size_t>(size));
}
#endif
