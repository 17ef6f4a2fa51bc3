// SPDX-License-Identifier: Apache-2.0
// Integers<N>: what integer expressions calculate with, N neighbours of 64 bits each, exact: no value passes through a
// float. The plain loops here are the meaning; expr/integer_blocks.hpp has the same for registers.
//
//   a + b, a - b, a * b, -a   wrap (two's complement), as the store to a narrower element does
//   a / b                     truncates toward zero, as in C++; a / 0 = 0
//   a % b                     has the sign of a; a % 0 = a, so that a = (a / b) * b + a % b always
// Nothing traps.
#pragma once

#include <molmo/expr/concepts.hpp>

#include <cstdint>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

MOLMO_HD constexpr std::int64_t wrapped(std::uint64_t x) { return static_cast<std::int64_t>(x); }
MOLMO_HD constexpr std::uint64_t bits_of_integer(std::int64_t x) { return static_cast<std::uint64_t>(x); }

MOLMO_HD constexpr std::int64_t quotient(std::int64_t a, std::int64_t b) {
  if (b == 0) return 0;
  return b == -1 ? wrapped(0u - bits_of_integer(a)) : a / b;  // -2^63 / -1 wraps
}
MOLMO_HD constexpr std::int64_t remainder(std::int64_t a, std::int64_t b) {
  if (b == 0) return a;
  return b == -1 ? 0 : a % b;
}

/// Which of N neighbours hold: what comparisons of integers give. A register's own mask is made of it.
template <int N>
struct IntegerMask {
  bool v[N];

  MOLMO_INLINE constexpr bool operator[](int i) const { return v[i]; }
  MOLMO_INLINE constexpr operator bool() const
    requires(N == 1)
  {
    return v[0];
  }
};

/// N neighbours of 64 bits.
template <int N>
struct Integers {
  static constexpr int size = N;
  std::int64_t v[N];

  MOLMO_INLINE static constexpr Integers broadcast(std::int64_t x) {
    return each([x](int) { return x; });
  }
  /// first, first + 1, ...
  MOLMO_INLINE static constexpr Integers count_from(std::int64_t first) {
    return each([first](int i) { return first + i; });
  }
  template <class T>
  MOLMO_INLINE static constexpr Integers load(const T* p) {
    return each([p](int i) { return static_cast<std::int64_t>(p[i]); });
  }
  /// The first `count`, the rest zero; nothing beyond them is touched.
  template <class T>
  MOLMO_INLINE static constexpr Integers load(const T* p, int count) {
    return each([p, count](int i) { return i < count ? static_cast<std::int64_t>(p[i]) : std::int64_t{0}; });
  }
  template <class T>
  MOLMO_INLINE constexpr void store(T* p) const {
    for (int i = 0; i < N; ++i) p[i] = static_cast<T>(v[i]);
  }
  template <class T>
  MOLMO_INLINE constexpr void store(T* p, int count) const {
    for (int i = 0; i < count; ++i) p[i] = static_cast<T>(v[i]);
  }
  template <class T>
    requires(N == 1 && is_integer<T>)
  MOLMO_INLINE constexpr explicit operator T() const {
    return static_cast<T>(v[0]);
  }

  MOLMO_INLINE constexpr std::int64_t operator[](int i) const { return v[i]; }
  // f(0), f(1), ...
  template <class F>
  MOLMO_INLINE static constexpr Integers each(F f) {
    Integers out;
    for (int i = 0; i < N; ++i) out.v[i] = f(i);
    return out;
  }
  template <class F>
  MOLMO_INLINE static constexpr IntegerMask<N> test(F f) {
    IntegerMask<N> out;
    for (int i = 0; i < N; ++i) out.v[i] = f(i);
    return out;
  }

  /// Per neighbour: c ? a : b.
  MOLMO_INLINE static constexpr Integers chosen(const bool (&c)[N], const Integers& a, const Integers& b) {
    return each([&](int i) { return c[i] ? a.v[i] : b.v[i]; });
  }

  MOLMO_INLINE friend constexpr Integers operator+(const Integers& a, const Integers& b) {
    return each([&](int i) { return wrapped(bits_of_integer(a.v[i]) + bits_of_integer(b.v[i])); });
  }
  MOLMO_INLINE friend constexpr Integers operator-(const Integers& a, const Integers& b) {
    return each([&](int i) { return wrapped(bits_of_integer(a.v[i]) - bits_of_integer(b.v[i])); });
  }
  MOLMO_INLINE friend constexpr Integers operator*(const Integers& a, const Integers& b) {
    return each([&](int i) { return wrapped(bits_of_integer(a.v[i]) * bits_of_integer(b.v[i])); });
  }
  MOLMO_INLINE friend constexpr Integers operator/(const Integers& a, const Integers& b) {
    return each([&](int i) { return quotient(a.v[i], b.v[i]); });
  }
  MOLMO_INLINE friend constexpr Integers operator%(const Integers& a, const Integers& b) {
    return each([&](int i) { return remainder(a.v[i], b.v[i]); });
  }
  MOLMO_INLINE friend constexpr Integers operator-(const Integers& a) {
    return each([&](int i) { return wrapped(0u - bits_of_integer(a.v[i])); });
  }
  MOLMO_INLINE friend constexpr Integers abs(const Integers& a) {
    return each([&](int i) { return a.v[i] < 0 ? wrapped(0u - bits_of_integer(a.v[i])) : a.v[i]; });
  }
  MOLMO_INLINE friend constexpr Integers larger(const Integers& a, const Integers& b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  MOLMO_INLINE friend constexpr Integers smaller(const Integers& a, const Integers& b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  MOLMO_INLINE friend constexpr IntegerMask<N> operator<(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] < b.v[i]; });
  }
  MOLMO_INLINE friend constexpr IntegerMask<N> operator<=(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] <= b.v[i]; });
  }
  MOLMO_INLINE friend constexpr IntegerMask<N> operator==(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] == b.v[i]; });
  }
  MOLMO_INLINE friend constexpr IntegerMask<N> operator!=(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] != b.v[i]; });
  }
};

/// c ? a : b.
MOLMO_INLINE constexpr Integers<1> select(bool c, const Integers<1>& a, const Integers<1>& b) { return c ? a : b; }
/// Per neighbour: c ? a : b, where c is a register's mask.
template <class C, int N>
MOLMO_INLINE Integers<N> select(const C& c, const Integers<N>& a, const Integers<N>& b) {
  bool chosen[N];
  c.store(chosen);
  return Integers<N>::chosen(chosen, a, b);
}

}  // namespace detail::inline MOLMO_ISA
}  // namespace molmo::inline v0
