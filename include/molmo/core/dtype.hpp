// SPDX-License-Identifier: Apache-2.0
// bf16 and f16 as plain types: 16 stored bits, converted to float for every calculation.
//
//   bf16 = the upper half of an f32 (8 exponent bits, 7 of fraction); f16 = IEEE binary16 (5, 10).
// float -> 16 bits rounds to nearest, ties to even; NaN stays NaN; f16 overflow becomes infinity.
// The vectorised conversions are in backend/xsimd.hpp; the ones here are their oracle.
#pragma once

#include <molmo/core/platform.hpp>

#include <cstdint>
#include <type_traits>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

// (The builtin, because std::bit_cast is a host function to nvcc.)
MOLMO_HD constexpr std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
MOLMO_HD constexpr float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

MOLMO_HD constexpr std::uint16_t bf16_from_float(float x) {
  const std::uint32_t u = bits_of(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x40u);  // keep NaN a quiet NaN
  return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

MOLMO_HD constexpr float float_from_bf16(std::uint16_t b) { return float_of(static_cast<std::uint32_t>(b) << 16); }

MOLMO_HD constexpr std::uint16_t f16_from_float(float x) {
  const std::uint32_t u = bits_of(x);
  const std::uint32_t sign = (u >> 16) & 0x8000u;
  const std::uint32_t a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
  if (a >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and more round to infinity
  if (a < 0x38800000u) {                                                   // below 2^-14: subnormal or zero
    if (a < 0x33000000u) return static_cast<std::uint16_t>(sign);          // below 2^-25: zero
    const std::uint32_t shift = 126u - (a >> 23);                          // 14 ... 24
    const std::uint32_t m = (a & 0x7fffffu) | 0x800000u;
    const std::uint32_t half = 1u << (shift - 1);
    const std::uint32_t r = m >> shift;
    const std::uint32_t rest = m & ((1u << shift) - 1u);
    return static_cast<std::uint16_t>(sign | (r + ((rest > half || (rest == half && (r & 1u))) ? 1u : 0u)));
  }
  const std::uint32_t r = a - 0x38000000u;  // rebias the exponent by 112
  return static_cast<std::uint16_t>(sign | ((r + 0xfffu + ((r >> 13) & 1u)) >> 13));
}

MOLMO_HD constexpr float float_from_f16(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const std::uint32_t a = h & 0x7fffu;
  if (a >= 0x7c00u) return float_of(sign | 0x7f800000u | ((a & 0x3ffu) << 13));
  if (a >= 0x400u) return float_of(sign | ((a << 13) + 0x38000000u));
  const float magnitude = static_cast<float>(a) * 0x1p-24f;  // subnormals: exact
  return sign ? -magnitude : magnitude;
}

}  // namespace detail::inline MOLMO_ISA

/// Brain float: 16 bits with the range of f32.
struct bf16 {
  std::uint16_t bits = 0;

  constexpr bf16() = default;
  MOLMO_INLINE constexpr explicit bf16(float x) : bits(detail::bf16_from_float(x)) {}
  MOLMO_INLINE constexpr operator float() const { return detail::float_from_bf16(bits); }
};

/// IEEE half precision.
struct f16 {
  std::uint16_t bits = 0;

  constexpr f16() = default;
  MOLMO_INLINE constexpr explicit f16(float x) : bits(detail::f16_from_float(x)) {}
  MOLMO_INLINE constexpr operator float() const { return detail::float_from_f16(bits); }
};

static_assert(sizeof(bf16) == 2 && sizeof(f16) == 2 && std::is_trivially_copyable_v<bf16>);

/// The real numbers an expression can read and write.
template <class T>
inline constexpr bool is_real =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bf16> || std::is_same_v<T, f16>;
/// Its integers: ids, positions, counts.
template <class T>
inline constexpr bool is_integer =
    std::is_same_v<T, std::int8_t> || std::is_same_v<T, std::int16_t> || std::is_same_v<T, int> ||
    std::is_same_v<T, long> || std::is_same_v<T, long long> || std::is_same_v<T, std::uint8_t>;
/// The types an expression can read and write.
template <class T>
inline constexpr bool is_element = is_real<T> || is_integer<T> || std::is_same_v<T, bool>;

/// Reals are calculated with in float, in double only where an operand is double; integers in 64 bits.
template <class T>
using compute_t = std::conditional_t<
    std::is_same_v<std::remove_const_t<T>, double>, double,
    std::conditional_t<is_integer<std::remove_const_t<T>>, std::int64_t,
                       std::conditional_t<std::is_same_v<std::remove_const_t<T>, bool>, bool, float>>>;

}  // namespace molmo::inline v0
