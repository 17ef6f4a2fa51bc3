// SPDX-License-Identifier: Apache-2.0
// Pack<N>: the N neighbours that one GPU thread calculates with, the counterpart of Lanes. It is read and written in
// pieces of 16 bytes, so that a warp asks for whole lines: N = 4 for f32, 8 where an operand is bf16 or f16.
//
// No CUDA header is needed: on the host the same operations are plain loops, and tests/backend/cuda_pack_test.cpp runs
// them. On the device bf16 and f16 are converted by the hardware, which rounds alike but makes every NaN the same NaN.
#pragma once

#include <molmo/backend/cuda_pack_mask.hpp>
#include <molmo/core/dtype.hpp>
#include <molmo/expr/assign.hpp>

#include <cstdint>
#include <type_traits>

namespace molmo::inline v0 {
namespace detail {

/// What one load or store moves.
struct alignas(16) Chunk {
  std::uint32_t word[4];
};

MOLMO_INLINE Chunk load_chunk(const void* p) {
#if defined(__CUDA_ARCH__)
  return *static_cast<const Chunk*>(p);
#else
  Chunk c;
  __builtin_memcpy(&c, p, sizeof c);
  return c;
#endif
}
MOLMO_INLINE void store_chunk(void* p, const Chunk& c) {
#if defined(__CUDA_ARCH__)
  *static_cast<Chunk*>(p) = c;
#else
  __builtin_memcpy(p, &c, sizeof c);
#endif
}

// Two numbers of 16 bits in one word, the first in the lower half.
template <class T>
MOLMO_INLINE void widen_pair(std::uint32_t word, float& first, float& second) {
  if constexpr (std::is_same_v<T, bf16>) {
    first = float_of(word << 16);
    second = float_of(word & 0xffff0000u);
  } else {
#if defined(__CUDA_ARCH__)
    asm("{.reg .b16 low, high;\n mov.b32 {low, high}, %2;\n cvt.f32.f16 %0, low;\n cvt.f32.f16 %1, high;}"
        : "=f"(first), "=f"(second)
        : "r"(word));
#else
    first = float_from_f16(static_cast<std::uint16_t>(word & 0xffffu));
    second = float_from_f16(static_cast<std::uint16_t>(word >> 16));
#endif
  }
}
template <class T>
MOLMO_INLINE std::uint32_t narrow_pair(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t word;
  if constexpr (std::is_same_v<T, bf16>)
    asm("cvt.rn.bf16x2.f32 %0, %2, %1;" : "=r"(word) : "f"(first), "f"(second));
  else
    asm("cvt.rn.f16x2.f32 %0, %2, %1;" : "=r"(word) : "f"(first), "f"(second));
  return word;
#else
  return static_cast<std::uint32_t>(T(first).bits) | (static_cast<std::uint32_t>(T(second).bits) << 16);
#endif
}

// Quotient and root. The device's exactly rounded ones branch to a subroutine for rare arguments and hold 16 registers
// for it, so packs use those that are right to 2 units in the last place over the full range (PTX ISA, div.full.f32)
// and to 2^-23 of the result (sqrt.approx.f32).
struct quotient_f {
  MOLMO_INLINE float operator()(float a, float b) const {
#if defined(__CUDA_ARCH__)
    float q;
    asm("div.full.f32 %0, %1, %2;" : "=f"(q) : "f"(a), "f"(b));
    return q;
#else
    return a / b;
#endif
  }
};
struct larger_or_nan_f {
  MOLMO_INLINE float operator()(float a, float b) const { return scalar::larger_or_nan(a, b); }
};
struct select_less_f {
  MOLMO_INLINE float operator()(float x, float limit, float yes, float no) const { return x < limit ? yes : no; }
};
struct root_f {
  MOLMO_INLINE float operator()(float a) const {
#if defined(__CUDA_ARCH__)
    float r;
    asm("sqrt.approx.f32 %0, %1;" : "=f"(r) : "f"(a));
    return r;
#else
    return scalar::sqrt(a);
#endif
  }
};

}  // namespace detail

/// N floats of one thread. Addresses given to load and store are multiples of 16.
template <int N>
struct Pack {
  static_assert(N == 4 || N == 8, "molmo: a Pack has 4 or 8 floats");
  static constexpr int size = N;
  using mask = PackMask<N>;

  float v[N];

  MOLMO_INLINE static Pack broadcast(float x) {
    Pack out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = x;
    return out;
  }

  /// N neighbours, widened to float.
  template <class T>
  MOLMO_INLINE static Pack load(const T* p) {
    static_assert(N * sizeof(T) % 16 == 0 && !std::is_same_v<T, double>,
                  "molmo: a Pack of this size is not whole chunks");
    constexpr int chunks = static_cast<int>(N * sizeof(T) / 16);
    constexpr int each = N / chunks;
    Pack out;
    MOLMO_UNROLL
    for (int k = 0; k < chunks; ++k) {
      const detail::Chunk c = detail::load_chunk(p + k * each);
      MOLMO_UNROLL
      for (int i = 0; i < 4; ++i) {
        if constexpr (std::is_same_v<T, float>)
          out.v[k * 4 + i] = detail::float_of(c.word[i]);
        else
          detail::widen_pair<T>(c.word[i], out.v[k * 8 + 2 * i], out.v[k * 8 + 2 * i + 1]);
      }
    }
    return out;
  }
  /// Stores N neighbours, rounded to the type of p.
  template <class T>
  MOLMO_INLINE void store(T* p) const {
    static_assert(N * sizeof(T) % 16 == 0 && !std::is_same_v<T, double>,
                  "molmo: a Pack of this size is not whole chunks");
    constexpr int chunks = static_cast<int>(N * sizeof(T) / 16);
    constexpr int each = N / chunks;
    MOLMO_UNROLL
    for (int k = 0; k < chunks; ++k) {
      detail::Chunk c;
      MOLMO_UNROLL
      for (int i = 0; i < 4; ++i) {
        if constexpr (std::is_same_v<T, float>)
          c.word[i] = detail::bits_of(v[k * 4 + i]);
        else
          c.word[i] = detail::narrow_pair<T>(v[k * 8 + 2 * i], v[k * 8 + 2 * i + 1]);
      }
      detail::store_chunk(p + k * each, c);
    }
  }

  // f applied to each element.
  template <class F>
  MOLMO_INLINE static Pack each(F f, const Pack& a) {
    Pack out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = f(a.v[i]);
    return out;
  }
  template <class F>
  MOLMO_INLINE static Pack each(F f, const Pack& a, const Pack& b) {
    Pack out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = f(a.v[i], b.v[i]);
    return out;
  }

  template <class F>
  MOLMO_INLINE static Pack each(F f, const Pack& a, const Pack& b, const Pack& c, const Pack& d) {
    Pack out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = f(a.v[i], b.v[i], c.v[i], d.v[i]);
    return out;
  }

  MOLMO_INLINE friend Pack operator+(const Pack& a, const Pack& b) { return each(detail::add_f{}, a, b); }
  MOLMO_INLINE friend Pack operator-(const Pack& a, const Pack& b) { return each(detail::sub_f{}, a, b); }
  MOLMO_INLINE friend Pack operator*(const Pack& a, const Pack& b) { return each(detail::mul_f{}, a, b); }
  MOLMO_INLINE friend Pack operator/(const Pack& a, const Pack& b) { return each(detail::quotient_f{}, a, b); }
  MOLMO_INLINE friend Pack operator-(const Pack& a) { return each(detail::neg_f{}, a); }
  MOLMO_INLINE friend Pack sqrt(const Pack& a) { return each(detail::root_f{}, a); }
  MOLMO_INLINE friend Pack abs(const Pack& a) { return each(detail::abs_f{}, a); }
  MOLMO_INLINE friend Pack exp(const Pack& a) { return each(detail::exp_f{}, a); }
  MOLMO_INLINE friend Pack exp2(const Pack& a) { return each(detail::exp2_f{}, a); }
  MOLMO_INLINE friend Pack expm1(const Pack& a) { return each(detail::expm1_f{}, a); }
  MOLMO_INLINE friend Pack log(const Pack& a) { return each(detail::log_f{}, a); }
  MOLMO_INLINE friend Pack log1p(const Pack& a) { return each(detail::log1p_f{}, a); }
  MOLMO_INLINE friend Pack pow(const Pack& a, const Pack& b) { return each(detail::pow_f{}, a, b); }
  MOLMO_INLINE friend Pack sin(const Pack& a) { return each(detail::sin_f{}, a); }
  MOLMO_INLINE friend Pack cos(const Pack& a) { return each(detail::cos_f{}, a); }
  MOLMO_INLINE friend Pack floor(const Pack& a) { return each(detail::floor_f{}, a); }
  MOLMO_INLINE friend Pack ceil(const Pack& a) { return each(detail::ceil_f{}, a); }
  MOLMO_INLINE friend Pack round_to_integer(const Pack& a) { return each(detail::round_f{}, a); }
  MOLMO_INLINE friend Pack select_less(const Pack& x, const Pack& limit, const Pack& yes, const Pack& no) {
    return each(detail::select_less_f{}, x, limit, yes, no);
  }
  MOLMO_INLINE friend Pack tanh(const Pack& a) { return each(detail::tanh_f{}, a); }
  MOLMO_INLINE friend Pack erf(const Pack& a) { return each(detail::erf_f{}, a); }
  // False where either is NaN, but for !=.
  MOLMO_INLINE friend mask operator<(const Pack& a, const Pack& b) { return mask::of(detail::less_f{}, a.v, b.v); }
  MOLMO_INLINE friend mask operator<=(const Pack& a, const Pack& b) { return mask::of(detail::at_most_f{}, a.v, b.v); }
  MOLMO_INLINE friend mask operator==(const Pack& a, const Pack& b) { return mask::of(detail::equal_f{}, a.v, b.v); }
  MOLMO_INLINE friend mask operator!=(const Pack& a, const Pack& b) { return mask::of(detail::unequal_f{}, a.v, b.v); }
  /// Per element: c ? a : b.
  MOLMO_INLINE friend Pack select(const mask& c, const Pack& a, const Pack& b) {
    Pack out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = c.v[i] ? a.v[i] : b.v[i];
    return out;
  }
  // The second argument when either is NaN, as everywhere.
  MOLMO_INLINE friend Pack larger(const Pack& a, const Pack& b) { return each(detail::max_f{}, a, b); }
  MOLMO_INLINE friend Pack larger_or_nan(const Pack& a, const Pack& b) { return each(detail::larger_or_nan_f{}, a, b); }
  MOLMO_INLINE friend Pack smaller(const Pack& a, const Pack& b) { return each(detail::min_f{}, a, b); }
};

namespace detail {

// True where an element of e in memory has 16 bits.
template <class E>
constexpr bool has_16_bits() {
  bool any = false;
  if constexpr (requires(E e) { e.a; }) any = any || has_16_bits<decltype(E::a)>();
  if constexpr (requires(E e) { e.b; }) any = any || has_16_bits<decltype(E::b)>();
  if constexpr (requires(E e) { e.c; }) any = any || has_16_bits<decltype(E::c)>();
  if constexpr (requires(E e) { e.view.data; }) any = any || sizeof(*std::declval<E>().view.data) == 2;
  return any;
}

}  // namespace detail

/// Neighbours per thread for a pass over e that stores T: 1 in double, 8 where something has 16 bits, else 4.
template <class T, class E>
inline constexpr int pack_size = std::is_same_v<T, double> || detail::has_double<E>() ? 1
                                 : sizeof(T) == 2 || detail::has_16_bits<E>()         ? 8
                                                                                      : 4;

}  // namespace molmo::inline v0
