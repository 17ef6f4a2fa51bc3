// SPDX-License-Identifier: Apache-2.0
// Products of numbers that came out of a file: they say when they overflow instead of wrapping.
#pragma once

#include <cstdint>
#include <limits>

namespace molmo::inline v0::detail {

/// a * b into `out`; false where 64 bits do not hold it.
[[nodiscard]] constexpr bool checked_mul(std::uint64_t a, std::uint64_t b, std::uint64_t& out) {
  out = a * b;
  return a == 0 || b <= (std::numeric_limits<std::uint64_t>::max)() / a;
}

}  // namespace molmo::inline v0::detail
