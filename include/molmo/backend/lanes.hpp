// SPDX-License-Identifier: Apache-2.0
// Lanes<Arch>: one SIMD register of floats with the two dozen operations that the library uses. What it needs from
// xsimd (8.1 ... 14) is here and nowhere else; what xsimd lacks (bf16 and f16 loads, partial loads, the sums of eight
// registers at once) is in lanes_native.hpp for AVX2 and AVX-512, with a portable loop for every other architecture.
//
// Arch is part of the type, so code for two instruction sets can live in one program.
#pragma once

#include <molmo/backend/lanes_mask.hpp>

namespace molmo::inline v0 {

/// The best instruction set that this translation unit is compiled for.
using native = xsimd::default_arch;

inline namespace MOLMO_ISA {

/// A register of `size` floats of the instruction set Arch.
template <class Arch = native>
struct Lanes {
  using batch = xsimd::batch<float, Arch>;
  using arch = Arch;
  using mask = LaneMask<Arch>;
  static constexpr int size = static_cast<int>(batch::size);

  batch v;

  Lanes() = default;
  MOLMO_INLINE Lanes(batch b) : v(b) {}
  MOLMO_INLINE static Lanes broadcast(float x) { return batch(x); }
  MOLMO_INLINE static Lanes of(const detail::Integers<size>& x) { return detail::as_floats<Arch>(x); }

  /// `size` neighbours; no alignment is needed. bf16 and f16 are widened.
  template <class T>
  MOLMO_INLINE static Lanes load(const T* p) {
    return detail::NativeLanes<Arch>::load(p);
  }
  /// The first `count` < size neighbours, the rest zero; nothing beyond them is touched.
  template <class T>
  MOLMO_INLINE static Lanes load(const T* p, int count) {
    return detail::NativeLanes<Arch>::load(p, count);
  }
  /// Stores all lanes, rounding to the type of p.
  template <class T>
  MOLMO_INLINE void store(T* p) const {
    detail::NativeLanes<Arch>::store(p, v);
  }
  /// Stores the first `count` lanes.
  template <class T>
  MOLMO_INLINE void store(T* p, int count) const {
    detail::NativeLanes<Arch>::store(p, v, count);
  }

  MOLMO_INLINE friend Lanes operator+(Lanes a, Lanes b) { return a.v + b.v; }
  MOLMO_INLINE friend Lanes operator-(Lanes a, Lanes b) { return a.v - b.v; }
  MOLMO_INLINE friend Lanes operator*(Lanes a, Lanes b) { return a.v * b.v; }
  MOLMO_INLINE friend Lanes operator/(Lanes a, Lanes b) { return a.v / b.v; }
  MOLMO_INLINE friend Lanes operator-(Lanes a) { return a.v ^ batch(-0.0f); }  // xsimd 8: 0 - a, which loses -0
  /// a * b + c, rounded once where the instruction set can.
  MOLMO_INLINE friend Lanes fma(Lanes a, Lanes b, Lanes c) { return detail::NativeLanes<Arch>::fma(a.v, b.v, c.v); }
  MOLMO_INLINE friend Lanes sqrt(Lanes a) { return detail::NativeLanes<Arch>::sqrt(a.v); }
  MOLMO_INLINE friend Lanes abs(Lanes a) { return xsimd::abs(a.v); }
  // The second argument when either is NaN, on every architecture and in every version of xsimd.
  MOLMO_INLINE friend Lanes larger(Lanes a, Lanes b) { return xsimd::select(a.v > b.v, a.v, b.v); }
  MOLMO_INLINE friend Lanes smaller(Lanes a, Lanes b) { return xsimd::select(a.v < b.v, a.v, b.v); }
  /// The larger; NaN where either is. (a != a would be false for NaN in some versions of xsimd.)
  MOLMO_INLINE friend Lanes larger_or_nan(Lanes a, Lanes b) {
    return xsimd::select(a.v == a.v, xsimd::select(a.v > b.v, a.v, b.v), a.v);
  }
  // False where either is NaN.
  MOLMO_INLINE friend mask operator<(Lanes a, Lanes b) { return a.v < b.v; }
  MOLMO_INLINE friend mask operator<=(Lanes a, Lanes b) { return a.v <= b.v; }
  MOLMO_INLINE friend mask operator==(Lanes a, Lanes b) { return a.v == b.v; }
  MOLMO_INLINE friend mask operator!=(Lanes a, Lanes b) { return !(a == b); }  // true where either is NaN
  /// Per lane: c ? a : b.
  MOLMO_INLINE friend Lanes select(mask c, Lanes a, Lanes b) { return xsimd::select(c.v, a.v, b.v); }
  /// Per lane: x < limit ? yes : no.
  MOLMO_INLINE friend Lanes select_less(Lanes x, Lanes limit, Lanes yes, Lanes no) {
    return xsimd::select(x.v < limit.v, yes.v, no.v);
  }
  /// `magnitude`, which is not negative, with the sign of `sign`.
  MOLMO_INLINE friend Lanes with_sign(Lanes magnitude, Lanes sign) { return (sign.v & batch(-0.0f)) | magnitude.v; }
  MOLMO_INLINE friend Lanes round_to_integer(Lanes a) { return detail::NativeLanes<Arch>::round(a.v); }
  /// x * 2^n for whole n in [-252, 252]; subnormal results are right.
  MOLMO_INLINE friend Lanes scale_by_power_of_2(Lanes x, Lanes n) { return detail::NativeLanes<Arch>::scale(x.v, n.v); }
  /// x = m 2^k with m in [sqrt(1/2), sqrt(2)), for positive normal x; returns m.
  MOLMO_INLINE friend Lanes split_exponent(Lanes x, Lanes& k) {
    return detail::NativeLanes<Arch>::split_exponent(x.v, k.v);
  }
  /// Whether one lane of a is larger than the same lane of b.
  MOLMO_INLINE friend bool any_larger(Lanes a, Lanes b) { return xsimd::any(a.v > b.v); }
  /// The sum of all lanes, always in the same order.
  MOLMO_INLINE friend float reduce_add(Lanes a) { return detail::NativeLanes<Arch>::reduce_add(a.v); }
  MOLMO_INLINE friend float reduce_max(Lanes a) {
    alignas(64) float lane[static_cast<std::size_t>(size)];
    a.v.store_aligned(lane);
    float m = lane[0];
    for (int i = 1; i < size; ++i) m = lane[i] > m ? lane[i] : m;
    return m;
  }
  /// out[i] = reduce_add(a[i]) for eight registers, in far fewer instructions.
  MOLMO_INLINE static void reduce_add8(const Lanes (&a)[8], float* out) {
    const batch raw[8] = {a[0].v, a[1].v, a[2].v, a[3].v, a[4].v, a[5].v, a[6].v, a[7].v};
    detail::NativeLanes<Arch>::reduce_add8(raw, out);
  }
};

}  // namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

/// Registers of half the size, for rows that do not fill a 512-bit one.
#if MOLMO_AVX512
template <class V>
inline constexpr bool is_wide = V::size == 16;
using Narrower = Lanes<xsimd::fma3<xsimd::avx2>>;
#else
template <class V>
inline constexpr bool is_wide = false;
using Narrower = Lanes<native>;
#endif

}  // namespace detail::inline MOLMO_ISA

}  // namespace molmo::inline v0
