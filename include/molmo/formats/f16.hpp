// SPDX-License-Identifier: Apache-2.0
// IEEE half precision, 2 bytes a weight.
#pragma once

#include <molmo/formats/format.hpp>

#include <cstring>

namespace molmo::inline v0::inline MOLMO_ISA {

struct F16 {
  using element = f16;
  static constexpr const char* name = "f16";
  static constexpr index_t block = 1;
  static constexpr index_t bytes = sizeof(element);

  static void decode(const std::byte* p, float* out) {
    element x;
    std::memcpy(&x, p, sizeof x);
    *out = x;
  }
};
static_assert(WeightFormat<F16>);

}  // namespace molmo::inline v0::inline MOLMO_ISA
