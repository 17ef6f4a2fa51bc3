// SPDX-License-Identifier: Apache-2.0
// Words of what is seen: runs of bits, selection by bits in every register, and what rows see together.
#include <molmo/cpu.hpp>
#include <molmo/ops/attention/cpu_seen.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"

#include <vector>

using namespace molmo;
using namespace molmo_test;

TEST_CASE("runs of bits: every bit once, in runs as long as they are") {
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    std::uint64_t words[3];
    for (std::uint64_t& w : words)
      w = i % 5 == 0 ? 0 : i % 5 == 1 ? ~std::uint64_t{0} : i % 5 == 2 ? random.bits() : random.bits() | random.bits() << random.between(0, 63);
    if (i % 5 == 3) words[1] = ~std::uint64_t{0};
    const index_t n = random.between(1, 192);
    std::vector<int> seen(static_cast<std::size_t>(n)), want(seen);
    for (index_t b = 0; b < n; ++b) want[static_cast<std::size_t>(b)] = static_cast<int>(words[b / 64] >> (b % 64) & 1);
    index_t before = -1;
    molmo::detail::each_run(words, n, [&](index_t begin, index_t end) {
      REQUIRE(begin < end);
      REQUIRE(begin > before);  // runs that touch would be one
      before = end;
      for (index_t b = begin; b < end; ++b) ++seen[static_cast<std::size_t>(b)];
    });
    REQUIRE(seen == want);
  }
}

TEST_CASE("selection by bits, in every register, whatever is hidden") {
  const auto check = [](auto cpu) {
    using V = typename decltype(cpu)::lanes;
    Random random(2);
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t bits = random.bits();
      float x[16], got[16];
      for (int lane = 0; lane < V::size; ++lane) x[lane] = (bits >> lane & 1) ? static_cast<float>(lane + 1) : std::numeric_limits<float>::quiet_NaN();
      molmo::detail::select_bits(bits, V::load(x), V::broadcast(-1.0f)).store(got);
      for (int lane = 0; lane < V::size; ++lane) REQUIRE(got[lane] == ((bits >> lane & 1) ? static_cast<float>(lane + 1) : -1.0f));
    }
  };
  check(Xsimd<>());
  check(Xsimd<xsimd::sse4_2>());
#if MOLMO_AVX2
  check(Xsimd<xsimd::fma3<xsimd::avx2>>());
#endif
}

TEST_CASE("what rows see together: by any, by each, and where they differ") {
  using molmo::detail::SeenTogether;
  const std::uint64_t rows[] = {0b0111100, 0b0011100, 0b0011111};
  const SeenTogether t(rows, 1, 1, 3, 64);
  CHECK(t.any[0] == 0b0111111);
  CHECK(t.every[0] == 0b0011100);
  CHECK(t.differing == 3);
  CHECK((t.begin == 0 && t.end == 6 && !t.holes));
  const std::uint64_t apart[] = {0b1000100, 0b1000100};
  const SeenTogether u(apart, 1, 1, 2, 64);
  CHECK((u.differing == 0 && u.holes && u.begin == 2 && u.end == 7));
  const std::uint64_t none[] = {0};
  CHECK(SeenTogether(none, 1, 1, 1, 64).end == 0);
}
