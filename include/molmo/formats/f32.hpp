// SPDX-License-Identifier: Apache-2.0
// IEEE single precision, 4 bytes a weight.
#pragma once

#include <molmo/formats/format.hpp>

#include <cstring>

namespace molmo::inline v0::inline MOLMO_ISA {

struct F32 {
  using element = float;
  static constexpr const char* name = "f32";
  static constexpr index_t block = 1;
  static constexpr index_t bytes = sizeof(element);

  static void decode(const std::byte* p, float* out) {
    element x;
    std::memcpy(&x, p, sizeof x);
    *out = x;
  }
};
static_assert(WeightFormat<F32>);

}  // namespace molmo::inline v0::inline MOLMO_ISA
