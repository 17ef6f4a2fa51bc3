// SPDX-License-Identifier: Apache-2.0
// bfloat16, 2 bytes a weight: the upper half of an f32.
#pragma once

#include <molmo/formats/format.hpp>

#include <cstring>

namespace molmo::inline v0::inline MOLMO_ISA {

struct Bf16 {
  using element = bf16;
  static constexpr const char* name = "bf16";
  static constexpr index_t block = 1;
  static constexpr index_t bytes = sizeof(element);

  static void decode(const std::byte* p, float* out) {
    element x;
    std::memcpy(&x, p, sizeof x);
    *out = x;
  }
};
static_assert(WeightFormat<Bf16>);

}  // namespace molmo::inline v0::inline MOLMO_ISA
