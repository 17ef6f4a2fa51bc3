// SPDX-License-Identifier: Apache-2.0
// q8: blocks of 32 weights, w[i] = d * q[i], d in f16 and q in int8; 8.5 bits a weight. A block is 34 bytes: d, then q.
// The values, and the bytes of a row of blocks, are those of GGUF's Q8_0.
//
//   d = max |w| / 127,   q = w / d rounded to the nearest, halves away from zero; the codes are made with d in f32
#pragma once

#include <molmo/formats/format.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace molmo::inline v0::inline MOLMO_ISA {

struct Q8 {
  static constexpr const char* name = "q8";
  static constexpr index_t block = 32;
  static constexpr index_t bytes = 34;
  static constexpr int bits = 8;
  static constexpr float smallest = 0x1p-126f;  // below this 1 / d may be infinite; f16 has no d so small

  static void decode(const std::byte* p, float* out) {
    f16 d;
    std::memcpy(&d, p, sizeof d);
    for (index_t i = 0; i < block; ++i) out[i] = d * static_cast<float>(std::to_integer<std::int8_t>(p[2 + i]));
  }
  /// `in`: 32 finite numbers below 8.3 million, so that d fits f16. Numbers so small that d rounds to 0 (3.8e-6) become
  /// zeros.
  static void encode(const float* in, std::byte* p) {
    float largest = 0;
    for (index_t i = 0; i < block; ++i) largest = std::fabs(in[i]) > largest ? std::fabs(in[i]) : largest;
    const float d = largest / 127.0f;
    const float inverse = d > smallest ? 1.0f / d : 0.0f;
    const f16 stored(d);
    std::memcpy(p, &stored, sizeof stored);
    for (index_t i = 0; i < block; ++i)
      p[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(std::round(in[i] * inverse)));
  }
};
static_assert(BlockFormat<Q8>);

}  // namespace molmo::inline v0::inline MOLMO_ISA
