// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon et al. 2011): random numbers by counter. The number for (seed, stream, step) is a function of
// just these, so it does not depend on the order of calls, the number of threads or the machine.
#pragma once

#include <molmo/core/platform.hpp>

#include <cstdint>

namespace molmo::inline v0 {

/// Four random 32-bit words.
struct PhiloxWords {
  std::uint32_t w[4];
};

inline namespace MOLMO_ISA {

/// The block of the counter (c0, c1, c2, c3) under the 64-bit key `seed`.
[[nodiscard]] MOLMO_HD constexpr PhiloxWords philox(std::uint64_t seed, PhiloxWords counter) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.w[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.w[2];
    counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.w[1] ^ k0, static_cast<std::uint32_t>(p1),
                static_cast<std::uint32_t>(p0 >> 32) ^ counter.w[3] ^ k1, static_cast<std::uint32_t>(p0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

/// A number in [0, 1) with 53 random bits for draw number `step` of `stream`.
[[nodiscard]] constexpr double philox_uniform(std::uint64_t seed, std::uint32_t stream, std::uint64_t step) {
  const PhiloxWords r =
      philox(seed, {{static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32), stream, 0}});
  const std::uint64_t bits = (static_cast<std::uint64_t>(r.w[0]) << 32) | r.w[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
