// SPDX-License-Identifier: Apache-2.0
// bf16 and f16 against double arithmetic: all 65,536 values one way; the other way every value, every midpoint between
// two values and its two neighbours, and a million random floats.
#include <molmo/core/dtype.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

using molmo::bf16;
using molmo::f16;

// A format of `exponent` and `fraction` bits, written down from the definition.
struct Layout {
  int exponent, fraction;

  [[nodiscard]] int bias() const { return (1 << (exponent - 1)) - 1; }
  [[nodiscard]] double value(unsigned bits) const {
    const unsigned e = (bits >> fraction) & ((1u << exponent) - 1u);
    const unsigned f = bits & ((1u << fraction) - 1u);
    const double sign = (bits >> 15) ? -1.0 : 1.0;
    if (e == (1u << exponent) - 1u)
      return f != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
    if (e == 0) return sign * std::ldexp(static_cast<double>(f), 1 - bias() - fraction);
    return sign * std::ldexp(static_cast<double>(f + (1u << fraction)), static_cast<int>(e) - bias() - fraction);
  }
  // All values >= 0 in order, infinity written as the power of two that it stands for when rounding.
  [[nodiscard]] std::vector<double> positive() const {
    std::vector<double> all;
    const unsigned infinity = ((1u << exponent) - 1u) << fraction;
    for (unsigned bits = 0; bits < infinity; ++bits) all.push_back(value(bits));
    all.push_back(std::ldexp(1.0, bias() + 1));
    return all;
  }
};

// The nearest value, ties to the even pattern: by search, not by bit arithmetic.
unsigned nearest(const std::vector<double>& values, float x) {
  const unsigned sign = std::signbit(x) ? 0x8000u : 0u;
  const double a = std::fabs(static_cast<double>(x));
  if (a >= values.back()) return sign | static_cast<unsigned>(values.size() - 1);
  const auto above = static_cast<unsigned>(std::upper_bound(values.begin(), values.end(), a) - values.begin());
  const unsigned below = above - 1;
  const double down = a - values[below], up = values[above] - a;
  if (down < up) return sign | below;
  if (up < down) return sign | above;
  return sign | (below % 2 == 0 ? below : above);
}

template <class T>
unsigned bits_of(float x) {
  return T(x).bits;
}

template <class T>
T from_bits(unsigned bits) {
  T out;
  out.bits = static_cast<std::uint16_t>(bits);
  return out;
}

template <class T>
void check_decoding(Layout layout) {
  unsigned wrong = 0, first = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double want = layout.value(bits);
    const float got = from_bits<T>(bits);
    const bool same = std::isnan(want) ? std::isnan(got)
                                       : static_cast<double>(got) == want && std::signbit(got) == std::signbit(want);
    if (!same && wrong++ == 0) first = bits;
    if (std::isnan(want) ? !std::isnan(static_cast<float>(T(got))) : bits_of<T>(got) != bits) {  // and back
      if (wrong++ == 0) first = bits;
    }
  }
  INFO("first wrong pattern: " << first);
  CHECK(wrong == 0);
}

template <class T>
void check_rounding(Layout layout) {
  const std::vector<double> values = layout.positive();
  long wrong = 0;
  float first = 0;
  const auto check = [&](float x) {
    for (const float v : {x, -x})
      if (bits_of<T>(v) != nearest(values, v) && wrong++ == 0) first = v;
  };
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    const auto middle = static_cast<float>((values[i] + values[i + 1]) / 2);
    REQUIRE(static_cast<double>(middle) == (values[i] + values[i + 1]) / 2);
    check(static_cast<float>(values[i]));
    check(middle);
    check(std::nextafter(middle, 0.0f));
    check(std::nextafter(middle, std::numeric_limits<float>::infinity()));
  }
  std::mt19937 random(1);
  for (int i = 0; i < 1'000'000; ++i) {
    float x;
    const auto u = static_cast<std::uint32_t>(random());
    std::memcpy(&x, &u, sizeof x);
    if (!std::isnan(x)) check(x);
  }
  check(std::numeric_limits<float>::max());
  check(std::numeric_limits<float>::infinity());
  check(std::numeric_limits<float>::denorm_min());
  INFO("first wrong: " << first << ", wrong: " << wrong);
  CHECK(wrong == 0);
}

template <class T>
void check_nan() {
  for (const std::uint32_t u : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0xffc12345u, 0xffffffffu}) {
    float x;
    std::memcpy(&x, &u, sizeof x);
    INFO(std::hex << u);
    CHECK(std::isnan(static_cast<float>(T(x))));
    CHECK((T(x).bits >> 15) == (u >> 31));
  }
}

}  // namespace

TEST_CASE("bf16: all 65536 patterns have the value of the definition") { check_decoding<bf16>({8, 7}); }
TEST_CASE("f16: all 65536 patterns have the value of the definition") { check_decoding<f16>({5, 10}); }
TEST_CASE("bf16: floats round to nearest, ties to even") { check_rounding<bf16>({8, 7}); }
TEST_CASE("f16: floats round to nearest, ties to even") { check_rounding<f16>({5, 10}); }
TEST_CASE("bf16 and f16: NaN stays NaN and keeps its sign") {
  check_nan<bf16>();
  check_nan<f16>();
}

TEST_CASE("bf16 and f16: constants, layout and kinds") {
  STATIC_REQUIRE(sizeof(bf16) == 2);
  STATIC_REQUIRE(sizeof(f16) == 2);
  STATIC_REQUIRE(f16(65504.0f).bits == 0x7bff);
  STATIC_REQUIRE(f16(65520.0f).bits == 0x7c00);
  STATIC_REQUIRE(bf16(1.0f).bits == 0x3f80);
  STATIC_REQUIRE(static_cast<float>(f16(-0.0f)) == 0.0f);
  STATIC_REQUIRE(std::is_trivially_copyable_v<f16>);
  STATIC_REQUIRE(!std::is_convertible_v<float, bf16>);  // rounding is asked for
  STATIC_REQUIRE(molmo::is_element<double>);
  STATIC_REQUIRE(molmo::is_element<int>);
  STATIC_REQUIRE(molmo::is_element<bool>);
  STATIC_REQUIRE(!molmo::is_element<char>);
  STATIC_REQUIRE(!molmo::is_element<unsigned>);
  STATIC_REQUIRE(!molmo::is_element<const int>);
  STATIC_REQUIRE(molmo::is_real<bf16>);
  STATIC_REQUIRE(!molmo::is_real<int>);
  STATIC_REQUIRE(!molmo::is_integer<bool>);
  STATIC_REQUIRE(std::is_same_v<molmo::compute_t<const std::int8_t>, std::int64_t>);
  STATIC_REQUIRE(std::is_same_v<molmo::compute_t<const double>, double>);
  STATIC_REQUIRE(std::is_same_v<molmo::compute_t<bf16>, float>);
  CHECK(bf16().bits == 0);
  CHECK(f16().bits == 0);
}
