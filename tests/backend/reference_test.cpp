// SPDX-License-Identifier: Apache-2.0
#include <molmo/backend/reference.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <type_traits>

using namespace molmo;

TEST_CASE("split covers everything once, in order, in whole grains, and evenly") {
  for (index_t n = 0; n <= 70; ++n)
    for (int parts = 1; parts <= 9; ++parts)
      for (const index_t grain : {1, 2, 16, 64}) {
        index_t next = 0, least = n, most = 0;
        for (int part = 0; part < parts; ++part) {
          const Range r = split(n, part, parts, grain);
          REQUIRE(r.begin == next);
          REQUIRE(r.end >= r.begin);
          REQUIRE((r.begin % grain == 0 || r.begin == n));
          next = r.end;
          least = std::min(least, r.end - r.begin);
          most = std::max(most, r.end - r.begin);
        }
        REQUIRE(next == n);
        REQUIRE(most - least <= 2 * grain - 1);  // one grain more, and the last one may be short
      }
  constexpr index_t huge = index_t{1} << 60;
  CHECK(split(huge, 6, 7).end == huge);
}

TEST_CASE("the reference runs everything in the calling thread") {
  int calls = 0;
  Reference{}.parallel([&](int part, int parts) {
    ++calls;
    CHECK(part == 0);
    CHECK(parts == 1);
  });
  CHECK(calls == 1);
  STATIC_REQUIRE(std::is_empty_v<Reference>);
  STATIC_REQUIRE(std::is_same_v<Reference::memory, Host>);
}
