// SPDX-License-Identifier: Apache-2.0
// Bytes<Arch, Vnni>: 8-bit dot products, four neighbouring bytes at a time, for 16 sums side by side: what quantised
// weights in panels (formats/panels.hpp) are multiplied with, and the rounding of activations to bytes.
//
//   VNNI (AVX-512)   vpdpbusd adds 64 products to 16 sums in one instruction; signed weights get 128 added, which the
//                    start of the sums takes off again
//   AVX2             vpmaddubsw and vpmaddwd; signed weights hand their sign to the activation
//   others           only the rounding; their products unpack the weights to f32 instead (ops/matmul/cpu_panels.hpp)
// Whole numbers are exact, so every machine and every order gives the same sums.
#pragma once

#include <molmo/backend/lanes.hpp>
#include <molmo/core/shape.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace molmo::inline v0 {

inline namespace MOLMO_ISA {

/// Has this architecture, as this translation unit is compiled, the byte products of AVX-512?
template <class Arch>
inline constexpr bool has_vnni = MOLMO_VNNI != 0 && std::is_base_of_v<xsimd::avx512f, Arch>;

}  // inline namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

/// 32 activations x[i] = scale * q[i], q in [-127, 127], rounded to the nearest, ties to even. A block with a NaN or an
/// infinity gets a NaN scale, so that it is not lost.
struct QuantisedBlock {
  float scale;
  std::int32_t minus_sum;  ///< of q
};

/// What to multiply with so that the largest magnitude becomes 127. Blocks below 1e-36 become zeros: 127 / x would
/// overflow.
[[nodiscard]] MOLMO_INLINE float to_bytes(float largest) { return largest > 1e-36f ? 127.0f / largest : 0.0f; }

inline constexpr float quantised_nan = std::numeric_limits<float>::quiet_NaN();

/// For architectures whose byte instructions we do not use.
template <class Arch, bool Vnni = has_vnni<Arch>>
struct Bytes {
  static constexpr bool fast = false;

  static QuantisedBlock quantise(const float* x, std::int8_t* q) {
    float largest = 0, not_finite = 0;
    for (int i = 0; i < 32; ++i) {
      largest = std::fabs(x[i]) > largest ? std::fabs(x[i]) : largest;
      not_finite += x[i] * 0.0f;
    }
    if (not_finite != 0) {
      std::memset(q, 0, 32);
      return {quantised_nan, 0};
    }
    const float inverse = to_bytes(largest);
    std::int32_t sum = 0;
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<std::int8_t>(std::nearbyint(x[i] * inverse));
      sum += q[i];
    }
    return {largest / 127.0f, -sum};
  }
};

#if MOLMO_AVX2
MOLMO_INLINE std::int32_t four_bytes(const std::int8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return four;
}

template <class Arch>
requires(std::is_base_of_v<xsimd::avx2, Arch>) struct Bytes<Arch, false> {
  static constexpr bool fast = true;          ///< better than unpacking to f32?
  static constexpr bool signed_bias = false;  ///< does add_signed() add 128 to every weight?
  static constexpr int tile_rows = 4;
  static constexpr int panels(int) { return 1; }

  struct Sums {
    __m256i v[2];
  };
  struct Codes {
    __m256i v[2];
  };

  /// All sums 2^Shift * x.
  template <int Shift>
  MOLMO_INLINE static Sums start(const std::int32_t& x) {
    const __m256i all = _mm256_slli_epi32(_mm256_set1_epi32(x), Shift);
    return {all, all};
  }
  MOLMO_INLINE static Codes load_signed(const std::byte* p) {
    const auto* at = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
  }
  MOLMO_INLINE static void load_nibbles(const std::byte* p, Codes& low, Codes& high) {
    const Codes both = load_signed(p);
    const __m256i mask = _mm256_set1_epi8(15);
    for (int i = 0; i < 2; ++i) {
      low.v[i] = _mm256_and_si256(both.v[i], mask);
      high.v[i] = _mm256_and_si256(_mm256_srli_epi16(both.v[i], 4), mask);
    }
  }
  /// s[i] += sum over j < 4 of w[4 i + j] x[j].
  MOLMO_INLINE static void add_signed(Sums& s, const Codes& w, const std::int8_t* x) {
    const __m256i xs = _mm256_set1_epi32(four_bytes(x)), ones = _mm256_set1_epi16(1);
    for (int i = 0; i < 2; ++i) {
      const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w.v[i]), _mm256_sign_epi8(xs, w.v[i]));
      s.v[i] = _mm256_add_epi32(s.v[i], _mm256_madd_epi16(pairs, ones));
    }
  }
  MOLMO_INLINE static void add_nibbles(Sums& s, const Codes& low, const std::int8_t* x, const Codes& high,
                                       const std::int8_t* y) {
    const __m256i xs = _mm256_set1_epi32(four_bytes(x)), ys = _mm256_set1_epi32(four_bytes(y));
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < 2; ++i) {  // at most 4 * 15 * 127 in 16 bits
      const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low.v[i], xs), _mm256_maddubs_epi16(high.v[i], ys));
      s.v[i] = _mm256_add_epi32(s.v[i], _mm256_madd_epi16(pairs, ones));
    }
  }
  /// Register i of the sums as floats.
  MOLMO_INLINE static Lanes<Arch> floats(const Sums& s, int i) {
    return xsimd::batch<float, Arch>(_mm256_cvtepi32_ps(s.v[i]));
  }
  static QuantisedBlock quantise(const float* x, std::int8_t* q) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256 part[4];
    __m256i most = _mm256_setzero_si256();  // as integers, so that a NaN is the largest of all
    for (int i = 0; i < 4; ++i) {
      part[i] = _mm256_loadu_ps(x + 8 * i);
      most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_castps_si256(part[i]), magnitude));
    }
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    const float largest = _mm_cvtss_f32(_mm_castsi128_ps(m));
    if (!(largest <= (std::numeric_limits<float>::max)())) {
      std::memset(q, 0, 32);
      return {quantised_nan, 0};
    }
    const __m256 inverse = _mm256_set1_ps(to_bytes(largest));
    __m256i whole[4];
    for (int i = 0; i < 4; ++i) whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(part[i], inverse));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(whole[0], whole[1]), _mm256_add_epi32(whole[2], whole[3]));
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), _mm256_permutevar8x32_epi32(bytes, order));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return {largest / 127.0f, -_mm_cvtsi128_si32(s)};
  }
};
#endif

#if MOLMO_AVX512
/// AVX-512 without VNNI multiplies bytes as AVX2 does.
template <class Arch>
requires(std::is_base_of_v<xsimd::avx512f, Arch>) struct Bytes<Arch, false> : Bytes<xsimd::fma3<xsimd::avx2>, false> {
  using Base = Bytes<xsimd::fma3<xsimd::avx2>, false>;
  MOLMO_INLINE static Lanes<Arch> floats(const typename Base::Sums& s, int) {
    return xsimd::batch<float, Arch>(
        _mm512_maskz_cvtepi32_ps(__mmask16{0xffff}, _mm512_inserti64x4(_mm512_castsi256_si512(s.v[0]), s.v[1], 1)));
  }
};
#endif

#if MOLMO_VNNI
template <class Arch>
requires(std::is_base_of_v<xsimd::avx512f, Arch>) struct Bytes<Arch, true> {
  static constexpr bool fast = true;
  static constexpr bool signed_bias = true;
  static constexpr int tile_rows = 4;  // 4 x 3: 24 sums, and 7 loads for 12 products
  static constexpr int panels(int rows) { return rows == 1 ? 4 : 3; }

  using Sums = __m512i;
  using Codes = __m512i;

  template <int Shift>
  MOLMO_INLINE static Sums start(const std::int32_t& x) {
    return _mm512_maskz_slli_epi32(__mmask16{0xffff}, _mm512_set1_epi32(x), Shift);
  }
  MOLMO_INLINE static Codes load_signed(const std::byte* p) {
    return _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(-128));
  }
  MOLMO_INLINE static void load_nibbles(const std::byte* p, Codes& low, Codes& high) {
    const __m512i both = _mm512_loadu_si512(p), mask = _mm512_set1_epi8(15);
    low = _mm512_and_si512(both, mask);
    high = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
  }
  MOLMO_INLINE static void add_signed(Sums& s, Codes w, const std::int8_t* x) {
    s = _mm512_dpbusd_epi32(s, w, _mm512_set1_epi32(four_bytes(x)));
  }
  MOLMO_INLINE static void add_nibbles(Sums& s, Codes low, const std::int8_t* x, Codes high, const std::int8_t* y) {
    add_signed(s, low, x);
    add_signed(s, high, y);
  }
  MOLMO_INLINE static Lanes<Arch> floats(Sums s, int) {
    return xsimd::batch<float, Arch>(_mm512_maskz_cvtepi32_ps(__mmask16{0xffff}, s));
  }
  MOLMO_INLINE static QuantisedBlock quantise(const float* x, std::int8_t* q) {
    return Bytes<xsimd::fma3<xsimd::avx2>, false>::quantise(x, q);
  }
};
#endif

}  // namespace detail::inline MOLMO_ISA
}  // namespace molmo::inline v0
