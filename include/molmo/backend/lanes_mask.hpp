// SPDX-License-Identifier: Apache-2.0
// LaneMask<Arch>: which lanes of a register hold a condition, in the machine's own form (a mask register of AVX-512,
// all ones or zeros per lane elsewhere). where(x < y, a, b) is one comparison and one blend.
//
// Tensors of bool are read and written a byte per element; comparisons of integers come as 64-bit ones and zeros.
#pragma once

#include <molmo/backend/lanes_native.hpp>
#include <molmo/expr/integer_blocks.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// Portable: through an array of floats.
template <class Arch>
struct PortableMask {
  using batch = xsimd::batch<float, Arch>;
  using bools = xsimd::batch_bool<float, Arch>;
  static constexpr int size = static_cast<int>(batch::size);

  MOLMO_INLINE static bools load(const bool* p, int count = size) {
    alignas(64) float wide[static_cast<std::size_t>(size)] = {};
    for (int i = 0; i < count; ++i) wide[i] = p[i] ? 1.0f : 0.0f;
    return batch::load_aligned(wide) > batch(0.0f);
  }
  MOLMO_INLINE static bools of(const IntegerMask<size>& m) {
    bool bytes[size];
    for (int i = 0; i < size; ++i) bytes[i] = m[i];
    return load(bytes);
  }
  MOLMO_INLINE static void store(bool* p, bools v, int count = size) {
    alignas(64) float wide[static_cast<std::size_t>(size)];
    xsimd::select(v, batch(1.0f), batch(0.0f)).store_aligned(wide);
    for (int i = 0; i < count; ++i) p[i] = wide[i] > 0;
  }
};

template <class Arch>
struct NativeMask : PortableMask<Arch> {};

#if MOLMO_AVX2
template <class Arch>
requires(std::is_base_of_v<xsimd::avx2, Arch>) struct NativeMask<Arch> : PortableMask<Arch> {
  MOLMO_INLINE static xsimd::batch_bool<float, Arch> of(const IntegerMask<8>& m) {
#if MOLMO_AVX512
    return _mm256_castsi256_ps(_mm256_movm_epi32(_mm512_movepi64_mask((__m512i)m.v[0])));
#else
    const __m256 low = (__m256)m.v[0], high = (__m256)m.v[1];  // the lower halves of the lanes, put in order
    const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
#endif
  }
};
#endif

#if MOLMO_AVX512
template <class Arch>
requires(std::is_base_of_v<xsimd::avx512f, Arch>) struct NativeMask<Arch> {
  using bools = xsimd::batch_bool<float, Arch>;

  MOLMO_INLINE static bools load(const bool* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return bools(_mm_test_epi8_mask(bytes, bytes));
  }
  MOLMO_INLINE static bools load(const bool* p, int count) {
    const __m128i bytes = _mm_maskz_loadu_epi8(first(count), p);
    return bools(_mm_test_epi8_mask(bytes, bytes));
  }
  MOLMO_INLINE static bools of(const IntegerMask<16>& m) {
    return bools(_mm512_kunpackb(_mm512_movepi64_mask((__m512i)m.v[1]), _mm512_movepi64_mask((__m512i)m.v[0])));
  }
  MOLMO_INLINE static void store(bool* p, bools v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_maskz_set1_epi8(static_cast<__mmask16>(v), 1));
  }
  MOLMO_INLINE static void store(bool* p, bools v, int count) {
    _mm_mask_storeu_epi8(p, first(count), _mm_maskz_set1_epi8(static_cast<__mmask16>(v), 1));
  }

 private:
  MOLMO_INLINE static __mmask16 first(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
};
#endif

/// Integers as floats, each rounded once.
template <class Arch>
MOLMO_INLINE xsimd::batch<float, Arch> as_floats(const Integers<static_cast<int>(xsimd::batch<float, Arch>::size)>& x) {
  using batch = xsimd::batch<float, Arch>;
  constexpr int size = static_cast<int>(batch::size);
#if MOLMO_AVX512
  constexpr __mmask8 all = 0xff;
  if constexpr (size == 16) {
    const __m256 low = _mm512_maskz_cvtepi64_ps(all, (__m512i)x.v[0]);
    const __m256 high = _mm512_maskz_cvtepi64_ps(all, (__m512i)x.v[1]);
    return batch(__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  } else if constexpr (size == 8) {
    return batch(_mm512_maskz_cvtepi64_ps(all, (__m512i)x.v[0]));
  } else
#endif
  {
    alignas(64) float lane[static_cast<std::size_t>(size)];
    for (int i = 0; i < size; ++i) lane[i] = static_cast<float>(x[i]);
    return batch::load_aligned(lane);
  }
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Which lanes of a Lanes<Arch> hold.
template <class Arch>
struct LaneMask {
  using native = detail::NativeMask<Arch>;
  using bools = xsimd::batch_bool<float, Arch>;
  static constexpr int size = static_cast<int>(bools::size);

  bools v;

  LaneMask() = default;
  MOLMO_INLINE LaneMask(bools b) : v(b) {}
  MOLMO_INLINE LaneMask(const detail::IntegerMask<size>& m) : v(native::of(m)) {}
  MOLMO_INLINE static LaneMask broadcast(bool x) { return bools(x); }
  MOLMO_INLINE static LaneMask load(const bool* p) { return native::load(p); }
  /// The first `count` < size neighbours, the rest false; nothing beyond them is touched.
  MOLMO_INLINE static LaneMask load(const bool* p, int count) { return native::load(p, count); }
  MOLMO_INLINE void store(bool* p) const { native::store(p, v); }
  MOLMO_INLINE void store(bool* p, int count) const { native::store(p, v, count); }

  MOLMO_INLINE friend LaneMask operator&&(LaneMask a, LaneMask b) { return a.v & b.v; }
  MOLMO_INLINE friend LaneMask operator||(LaneMask a, LaneMask b) { return a.v | b.v; }
  MOLMO_INLINE friend LaneMask operator!(LaneMask a) { return ~a.v; }
  // (Not by ^, which is | for masks of AVX-512 in some versions of xsimd.)
  MOLMO_INLINE friend LaneMask operator==(LaneMask a, LaneMask b) { return (a.v & b.v) | ~(a.v | b.v); }
  MOLMO_INLINE friend LaneMask operator!=(LaneMask a, LaneMask b) { return (a.v | b.v) & ~(a.v & b.v); }
  /// Per lane: c ? a : b.
  MOLMO_INLINE friend LaneMask select(LaneMask c, LaneMask a, LaneMask b) { return (c.v & a.v) | (~c.v & b.v); }
  MOLMO_INLINE friend bool any(LaneMask a) { return xsimd::any(a.v); }
  MOLMO_INLINE friend bool all(LaneMask a) { return xsimd::all(a.v); }
};

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
