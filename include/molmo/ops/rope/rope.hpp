// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Su et al. 2021), the half-split pairing of all Hugging Face checkpoints: element i of a
// head pairs with element i + head_dim / 2,
//
//   y[i] = x[i] cos - x[i + half] sin        y[i + half] = x[i + half] cos + x[i] sin
// with the cos and sin of position * inv_freq[i] from a table (frequencies.hpp). The result may go to another place
// with another layout: keys are rotated straight into the KV cache. The loop below is the meaning; its speed is in
// cpu.hpp.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/core/platform.hpp>

namespace molmo::inline v0 {

/// Heads to rotate: x[token][head][head_dim] with x_token and x_head elements from one to the next; y likewise.
struct RopeHeads {
  const float* x = nullptr;
  float* y = nullptr;  ///< may be x
  index_t tokens = 0, heads = 0, head_dim = 0;
  index_t x_token = 0, x_head = 0;
  index_t y_token = 0, y_head = 0;
  const float* cosines = nullptr;  ///< [tokens][head_dim / 2]
  const float* sines = nullptr;
};

/// The meaning.
inline void rope(const Reference&, const RopeHeads& a) {
  const index_t half = a.head_dim / 2;
  for (index_t t = 0; t < a.tokens; ++t)
    for (index_t h = 0; h < a.heads; ++h) {
      const float* x = a.x + t * a.x_token + h * a.x_head;
      float* y = a.y + t * a.y_token + h * a.y_head;
      for (index_t i = 0; i < half; ++i) {
        const float c = a.cosines[t * half + i], s = a.sines[t * half + i];
        const float low = x[i], high = x[i + half];
        y[i] = low * c - high * s;
        y[i + half] = high * c + low * s;
      }
    }
}
/// Xsimd without the header of its loop.
template <class Late = void>
void rope(const FastCpu&, const RopeHeads&) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast rope in <molmo/ops/rope/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

}  // namespace molmo::inline v0
