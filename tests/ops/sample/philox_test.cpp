// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 against the known answers that its authors publish with the generator (kat_vectors of Random123).
#include <molmo/ops/sample/philox.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <set>

using namespace molmo;

namespace {

constexpr bool gives(std::uint64_t key, PhiloxWords counter, PhiloxWords want) {
  const PhiloxWords got = philox(key, counter);
  for (int i = 0; i < 4; ++i)
    if (got.w[i] != want.w[i]) return false;
  return true;
}

}  // namespace

TEST_CASE("philox: known answers") {
  STATIC_REQUIRE(gives(0, {{0, 0, 0, 0}}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  STATIC_REQUIRE(gives(0xffffffffffffffff, {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
                       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  // Counter and key: the first digits of pi; the low word of the key is its first.
  STATIC_REQUIRE(gives(0x299f31d0a4093822, {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
                       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
}

TEST_CASE("philox_uniform: in [0, 1), another number for every seed, stream and step") {
  std::set<double> seen;
  double sum = 0;
  int count = 0;
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
    for (std::uint32_t stream : {0u, 1u})
      for (std::uint64_t step = 0; step < 2000; ++step) {
        const double u = philox_uniform(seed, stream, step);
        REQUIRE((u >= 0 && u < 1));
        seen.insert(u);
        sum += u;
        ++count;
      }
  CHECK(static_cast<int>(seen.size()) == count);  // 12000 numbers of 53 bits: a repetition has probability 1e-8
  CHECK(std::abs(sum / count - 0.5) < 5 * 0.2887 / 109.5);  // the mean lies within five standard errors
  CHECK(philox_uniform(7, 0, 5) == philox_uniform(7, 0, 5));
  CHECK(philox_uniform(7, 0, std::uint64_t{1} << 32) != philox_uniform(7, 0, 0));  // all 64 bits of the step count
}
