// SPDX-License-Identifier: Apache-2.0
// What Lanes needs beyond xsimd: loads and stores of bf16, f16 and of the first few lanes, and sums across lanes.
// NativeLanes<Arch> is the portable loop; its specialisations for AVX2 and AVX-512 say the same in intrinsics.
// A sum across lanes has one fixed order per architecture, so that results do not depend on who calculates them.
#pragma once

#include <molmo/core/dtype.hpp>
#include <molmo/core/platform.hpp>

#include <xsimd/xsimd.hpp>
#if MOLMO_AVX2
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace molmo::inline v0::detail::inline MOLMO_ISA {

#if XSIMD_VERSION_MAJOR >= 11
template <class Arch>
MOLMO_INLINE xsimd::batch<float, Arch> as_floats(xsimd::batch<std::int32_t, Arch> bits) {
  return xsimd::bitwise_cast<float>(bits);
}
template <class Arch>
MOLMO_INLINE xsimd::batch<std::int32_t, Arch> as_ints(xsimd::batch<float, Arch> v) {
  return xsimd::bitwise_cast<std::int32_t>(v);
}
#else
template <class Arch>
MOLMO_INLINE xsimd::batch<float, Arch> as_floats(xsimd::batch<std::int32_t, Arch> bits) {
  return xsimd::bitwise_cast<xsimd::batch<float, Arch>>(bits);
}
template <class Arch>
MOLMO_INLINE xsimd::batch<std::int32_t, Arch> as_ints(xsimd::batch<float, Arch> v) {
  return xsimd::bitwise_cast<xsimd::batch<std::int32_t, Arch>>(v);
}
#endif

inline constexpr std::int32_t sqrt_half_bits = 0x3f3504f3;
inline constexpr std::int32_t one_minus_sqrt_half_bits = 0x3f800000 - sqrt_half_bits;

/// Portable: through a small array.
template <class Arch>
struct PortableLanes {
  using batch = xsimd::batch<float, Arch>;
  static constexpr int size = static_cast<int>(batch::size);
  static constexpr bool fused = false;  // whether fma is known to round once

  template <class T>
  MOLMO_INLINE static batch load(const T* p) {
    if constexpr (std::is_same_v<T, float>) {
      return batch::load_unaligned(p);
    } else {
      alignas(64) float wide[static_cast<std::size_t>(size)];
      for (int i = 0; i < size; ++i) wide[i] = static_cast<float>(p[i]);
      return batch::load_aligned(wide);
    }
  }
  template <class T>
  MOLMO_INLINE static batch load(const T* p, int count) {
    alignas(64) float wide[static_cast<std::size_t>(size)] = {};
    for (int i = 0; i < count; ++i) wide[i] = static_cast<float>(p[i]);
    return batch::load_aligned(wide);
  }
  template <class T>
  MOLMO_INLINE static void store(T* p, batch v) {
    if constexpr (std::is_same_v<T, float>) {
      v.store_unaligned(p);
    } else {
      store(p, v, size);
    }
  }
  template <class T>
  MOLMO_INLINE static void store(T* p, batch v, int count) {
    alignas(64) float wide[static_cast<std::size_t>(size)];
    v.store_aligned(wide);
    for (int i = 0; i < count; ++i) p[i] = static_cast<T>(wide[i]);
  }
  MOLMO_INLINE static batch fma(batch a, batch b, batch c) { return xsimd::fma(a, b, c); }
  MOLMO_INLINE static batch sqrt(batch v) { return xsimd::sqrt(v); }
  MOLMO_INLINE static batch round(batch v) { return xsimd::nearbyint(v); }
  // v * 2^n in two factors, so that subnormal results are right.
  MOLMO_INLINE static batch scale(batch v, batch n) {
    using ints = xsimd::batch<std::int32_t, Arch>;
    const ints whole = xsimd::to_int(n);
    const ints half = whole >> 1;
    const ints rest = whole - half;
    return v * as_floats<Arch>((half + ints(127)) << 23) * as_floats<Arch>((rest + ints(127)) << 23);
  }
  // v = m 2^k with m in [sqrt(1/2), sqrt(2)), for positive normal v: the bits of sqrt(1/2) are where k steps.
  MOLMO_INLINE static batch split_exponent(batch v, batch& k) {
    using ints = xsimd::batch<std::int32_t, Arch>;
    const ints moved = as_ints<Arch>(v) + ints(one_minus_sqrt_half_bits);
    k = xsimd::to_float((moved >> 23) - ints(127));
    return as_floats<Arch>((moved & ints(0x7fffff)) + ints(sqrt_half_bits));
  }
  // Lane i + lane i + half, halving until one is left.
  MOLMO_INLINE static float reduce_add(batch v) {
    alignas(64) float lane[static_cast<std::size_t>(size)];
    v.store_aligned(lane);
    for (int half = size / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
  }
  MOLMO_INLINE static void reduce_add8(const batch (&a)[8], float* out) {
    for (int i = 0; i < 8; ++i) out[i] = reduce_add(a[i]);
  }
};

template <class Arch>
struct NativeLanes : PortableLanes<Arch> {};

#if MOLMO_AVX2
// The sums of eight 8-lane registers. Order within each: ((0+1)+(2+3)) + ((4+5)+(6+7)), as reduce_add_256.
MOLMO_INLINE __m256 reduce_add8_256(__m256 a0, __m256 a1, __m256 a2, __m256 a3, __m256 a4, __m256 a5, __m256 a6,
                                    __m256 a7) {
  const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(a0, a1), _mm256_hadd_ps(a2, a3));
  const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(a4, a5), _mm256_hadd_ps(a6, a7));
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}
MOLMO_INLINE float reduce_add_256(__m256 a) {
  const __m256 pairs = _mm256_hadd_ps(a, a);
  const __m256 fours = _mm256_hadd_ps(pairs, pairs);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
}

template <class Arch>
  requires(std::is_base_of_v<xsimd::avx2, Arch>)
struct NativeLanes<Arch> : PortableLanes<Arch> {
  using Base = PortableLanes<Arch>;
  using batch = xsimd::batch<float, Arch>;
  using Base::load;
  using Base::store;

  MOLMO_INLINE static batch load(const bf16* p) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return batch(_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16)));
  }
  MOLMO_INLINE static batch load(const f16* p) {
    return batch(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static constexpr bool fused = true;
  // xsimd 8 multiplies and adds in two steps on AVX-512 and on plain AVX2, and leaves it to the compiler to join them.
  MOLMO_INLINE static batch fma(batch a, batch b, batch c) { return batch(_mm256_fmadd_ps(a, b, c)); }
  MOLMO_INLINE static float reduce_add(batch v) { return reduce_add_256(v); }
  MOLMO_INLINE static void reduce_add8(const batch (&a)[8], float* out) {
    _mm256_storeu_ps(out, reduce_add8_256(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]));
  }
};
#endif

#if MOLMO_AVX512
// Sums of 16 lanes, each in the order ((0+2)+(1+3)) within groups of four, then (group 0+1) + (group 2+3).
// (Shuffles as builtins, because the intrinsics of g++ 12 start from an undefined register and warn about it.)
MOLMO_INLINE __m512 interleave_add(__m512 a, __m512 b) {  // per group: a0+a2, b0+b2, a1+a3, b1+b3
  return _mm512_add_ps(__builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29),
                       __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31));
}
MOLMO_INLINE __m512 pair_add(__m512 a, __m512 b) {  // per group: a0+a2, a1+a3, b0+b2, b1+b3
  return _mm512_add_ps(__builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
                       __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));
}
MOLMO_INLINE __m256 reduce_add8_512(__m512 a0, __m512 a1, __m512 a2, __m512 a3, __m512 a4, __m512 a5, __m512 a6,
                                    __m512 a7) {
  const __m512 low = pair_add(interleave_add(a0, a1), interleave_add(a2, a3));   // sums of 0 ... 3, one group each
  const __m512 high = pair_add(interleave_add(a4, a5), interleave_add(a6, a7));  // sums of 4 ... 7
  const __m512 halves =
      _mm512_add_ps(__builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
                    __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
  return _mm256_add_ps(__builtin_shufflevector(halves, halves, 0, 1, 2, 3, 8, 9, 10, 11),
                       __builtin_shufflevector(halves, halves, 4, 5, 6, 7, 12, 13, 14, 15));
}
MOLMO_INLINE float reduce_add_512(__m512 a) {
  const __m512 twos =
      _mm512_add_ps(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  const __m512 fours =
      _mm512_add_ps(twos, __builtin_shufflevector(twos, twos, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  const __m128 pairs = _mm_add_ps(__builtin_shufflevector(fours, fours, 0, 8, 0, 8),
                                  __builtin_shufflevector(fours, fours, 4, 12, 4, 12));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

// The forms with a zero mask throughout: the plain ones of g++ 12 start from an undefined register and warn about it.
template <class Arch>
  requires(std::is_base_of_v<xsimd::avx512f, Arch>)
struct NativeLanes<Arch> : PortableLanes<Arch> {
  using Base = PortableLanes<Arch>;
  using batch = xsimd::batch<float, Arch>;
  using Base::load;
  using Base::store;

  static constexpr __mmask16 all = 0xffff;
  MOLMO_INLINE static __mmask16 first(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
  MOLMO_INLINE static __m512 widen_bf16(__m256i narrow) {
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_maskz_cvtepu16_epi32(all, narrow), 16));
  }

  static constexpr bool fused = true;
  MOLMO_INLINE static batch fma(batch a, batch b, batch c) { return batch(_mm512_fmadd_ps(a, b, c)); }
  MOLMO_INLINE static batch split_exponent(batch v, batch& k) {
    const __m512i moved = _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(one_minus_sqrt_half_bits));
    const __m512i exponent = _mm512_maskz_srai_epi32(all, moved, 23);
    k = batch(_mm512_maskz_cvtepi32_ps(all, _mm512_sub_epi32(exponent, _mm512_set1_epi32(127))));
    const __m512i digits = _mm512_and_si512(moved, _mm512_set1_epi32(0x7fffff));
    return batch(_mm512_castsi512_ps(_mm512_add_epi32(digits, _mm512_set1_epi32(sqrt_half_bits))));
  }
  MOLMO_INLINE static batch sqrt(batch v) { return batch(_mm512_maskz_sqrt_ps(all, v)); }
  MOLMO_INLINE static batch round(batch v) { return batch(_mm512_maskz_roundscale_ps(all, v, 0)); }
  MOLMO_INLINE static batch scale(batch v, batch n) { return batch(_mm512_maskz_scalef_ps(all, v, n)); }

  MOLMO_INLINE static batch load(const float* p) { return batch(_mm512_loadu_ps(p)); }
  MOLMO_INLINE static batch load(const float* p, int count) { return batch(_mm512_maskz_loadu_ps(first(count), p)); }
  MOLMO_INLINE static batch load(const bf16* p) {
    return batch(widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
  }
  MOLMO_INLINE static batch load(const bf16* p, int count) {
    return batch(widen_bf16(_mm256_maskz_loadu_epi16(first(count), p)));
  }
  MOLMO_INLINE static batch load(const f16* p) {
    return batch(_mm512_maskz_cvtph_ps(all, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
  }
  MOLMO_INLINE static batch load(const f16* p, int count) {
    return batch(_mm512_maskz_cvtph_ps(all, _mm256_maskz_loadu_epi16(first(count), p)));
  }
  MOLMO_INLINE static void store(float* p, batch v) { _mm512_storeu_ps(p, v); }
  MOLMO_INLINE static void store(float* p, batch v, int count) { _mm512_mask_storeu_ps(p, first(count), v); }
  MOLMO_INLINE static float reduce_add(batch v) { return reduce_add_512(v); }
  MOLMO_INLINE static void reduce_add8(const batch (&a)[8], float* out) {
    _mm256_storeu_ps(out, reduce_add8_512(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]));
  }
};
#endif

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
