// SPDX-License-Identifier: Apache-2.0
// The rotary frequencies of a model: inv_freq[i] = theta^(-2i / head_dim), i < head_dim / 2, and the long-context
// scaling of Llama 3.1 (Meta, "llama3"): wavelengths longer than original / low_freq_factor are stretched by `factor`,
// those shorter than original / high_freq_factor are kept, between the two the factor is blended linearly.
// Calculated in f32 with the roundings of transformers, because an ulp of a frequency moves far positions. Other
// scalings (linear, NTK, YaRN, LongRoPE) belong here too.
#pragma once

#include <molmo/core/config.hpp>

#include <cmath>

namespace molmo::inline v0 {

/// What a config says about its rotary frequencies.
struct RopeFrequencies {
  index_t head_dim = 0;
  double theta = 10000;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  index_t original_max_position = 8192;

  [[nodiscard]] static constexpr RopeFrequencies of(const LlmConfig& c) {
    return {c.head_size(),          c.rope_theta,            c.rope_scaling,              c.rope_factor,
            c.rope_low_freq_factor, c.rope_high_freq_factor, c.rope_original_max_position};
  }
};

namespace detail::inline MOLMO_ISA {

/// x as an f32: what is added to it is no reason for the compiler to keep more digits of it (fused multiply-add).
[[nodiscard]] inline float rounded(float x) {
  volatile float y = x;
  return y;
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// One frequency after the scaling of llama3, with the roundings of transformers on torch: a number divided by a tensor
/// is the reciprocal times the number there, and a product is rounded before it is added to.
[[nodiscard]] MOLMO_NOINLINE inline float llama3_frequency(const RopeFrequencies& f, float inv) {
  using detail::rounded;
  const auto f32 = [](double x) { return static_cast<float>(x); };
  const double original = static_cast<double>(f.original_max_position);
  const float wavelength = rounded(rounded(1.0f / inv) * f32(2 * 3.14159265358979323846));
  if (wavelength > f32(original / f.low_freq_factor)) return inv / f32(f.factor);
  if (wavelength < f32(original / f.high_freq_factor)) return inv;
  const float turns = rounded(rounded(1.0f / wavelength) * f32(original));
  const float kept = rounded(turns - f32(f.low_freq_factor)) / f32(f.high_freq_factor - f.low_freq_factor);
  return rounded(rounded((1.0f - kept) * inv) / f32(f.factor)) + rounded(kept * inv);
}

/// inv_freq[0 ... head_dim / 2).
inline void rope_inverse_frequencies(const RopeFrequencies& f, float* out) {
  const float dim = static_cast<float>(f.head_dim);
  for (index_t i = 0; i < f.head_dim / 2; ++i) {
    const float inv = 1.0f / std::pow(static_cast<float>(f.theta), static_cast<float>(2 * i) / dim);
    out[i] = f.scaling == RopeScaling::llama3 ? llama3_frequency(f, inv) : inv;
  }
}

/// cos and sin of position * inv_freq for positions [first, first + count): two tables [count][half].
inline void rope_table(const float* inverse_frequencies, index_t half, index_t first, index_t count, float* cosines,
                       float* sines) {
  for (index_t p = 0; p < count; ++p)
    for (index_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(first + p) * inverse_frequencies[i];
      cosines[p * half + i] = std::cos(angle);
      sines[p * half + i] = std::sin(angle);
    }
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
