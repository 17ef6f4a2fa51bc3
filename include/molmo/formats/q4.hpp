// SPDX-License-Identifier: Apache-2.0
// q4: blocks of 32 weights, w[i] = d * (n[i] - 8), d in f16 and n in four bits; 4.5 bits a weight. A block is 18 bytes:
// d, then 16 bytes of which byte j holds n[j] below and n[j + 16] above. Values and bytes are those of GGUF's Q4_0.
//
//   d = m / -8, m the first weight of largest magnitude with its sign
//   n = w / d + 8.5 cut to a whole number, at most 15
// 1 / d, the product and the sum are each rounded to f32, so that a tie falls the same way on every machine and as in
// GGUF's Python code (its C code leaves it to the compiler whether the product is rounded).
#pragma once

#include <molmo/formats/format.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace molmo::inline v0::inline MOLMO_ISA {

struct Q4 {
  static constexpr const char* name = "q4";
  static constexpr index_t block = 32;
  static constexpr index_t bytes = 18;
  static constexpr int bits = 4;
  static constexpr float smallest = 0x1p-126f;  // below this 1 / d may be infinite; f16 has no d so small

  static void decode(const std::byte* p, float* out) {
    f16 d;
    std::memcpy(&d, p, sizeof d);
    for (index_t i = 0; i < 16; ++i) {
      const int both = std::to_integer<int>(p[2 + i]);
      out[i] = d * static_cast<float>((both & 15) - 8);
      out[i + 16] = d * static_cast<float>((both >> 4) - 8);
    }
  }
  /// `in`: 32 finite numbers below 524 000, so that d fits f16. If they are so small that d rounds to 0 (2.4e-7), they
  /// become zeros.
  static void encode(const float* in, std::byte* p) {
    float largest = 0, extreme = 0;
    for (index_t i = 0; i < block; ++i)
      if (std::fabs(in[i]) > largest) {
        largest = std::fabs(in[i]);
        extreme = in[i];
      }
    const float d = extreme / -8.0f;
    const float inverse = std::fabs(d) > smallest ? 1.0f / d : 0.0f;
    const f16 stored(d);
    std::memcpy(p, &stored, sizeof stored);
    // The product is made in double, where it is exact, and then rounded to float. Made in float, a compiler might fuse
    // it with the sum that follows and leave out this rounding. The factor 2^100 puts it out of the range of float:
    // otherwise the compiler would go back to float by itself.
    const double high = static_cast<double>(inverse) * 0x1p100;
    const auto code = [&](float x) {
      const auto scaled = static_cast<float>(static_cast<double>(x) * high * 0x1p-100);
      const int n = static_cast<int>(scaled + 8.5f);
      return n < 15 ? n : 15;
    };
    for (index_t i = 0; i < 16; ++i) p[2 + i] = static_cast<std::byte>(code(in[i]) | code(in[i + 16]) << 4);
  }
};
static_assert(BlockFormat<Q4>);

}  // namespace molmo::inline v0::inline MOLMO_ISA
