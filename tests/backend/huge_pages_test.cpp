// SPDX-License-Identifier: Apache-2.0
// huge_pages(): zeroed, aligned, given back whole; and nothing that is not touched costs memory.
#include <molmo/backend/huge_pages.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

using namespace molmo;

TEST_CASE("huge pages: zeroed and aligned, from one byte to many pages") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, HugePages::least - 1, HugePages::least,
                                  HugePages::page, HugePages::page + 1, 5 * HugePages::page - 1})
    for (const std::size_t alignment : {std::size_t{64}, std::size_t{4096}}) {
      CAPTURE(bytes, alignment);
      auto* p = static_cast<std::byte*>(huge_pages().allocate(bytes, alignment));
      REQUIRE(p != nullptr);
      CHECK(reinterpret_cast<std::uintptr_t>(p) % alignment == 0);
#if defined(__linux__)
      if (bytes >= HugePages::least) CHECK(reinterpret_cast<std::uintptr_t>(p) % HugePages::page == 0);
#endif
      CHECK(std::all_of(p, p + bytes, [](std::byte b) { return b == std::byte{0}; }));
      std::fill(p, p + bytes, std::byte{0xff});
      huge_pages().deallocate(p, bytes, alignment);
    }
}

TEST_CASE("huge pages: many blocks at once lie apart, and come back zeroed") {
  for (int round = 0; round < 3; ++round) {
    std::vector<AlignedBytes> blocks;
    for (std::size_t i = 0; i < 20; ++i) {
      blocks.push_back(AlignedBytes::zeroed(HugePages::page / 2 + i, 1, &huge_pages()));
      REQUIRE(blocks.back().data() != nullptr);
      CHECK(std::all_of(blocks[i].data(), blocks[i].data() + blocks[i].size(),
                        [](std::byte b) { return b == std::byte{0}; }));
      std::fill(blocks[i].data(), blocks[i].data() + blocks[i].size(), static_cast<std::byte>(i + 1));
    }
    for (std::size_t i = 0; i < 20; ++i)
      CHECK(std::all_of(blocks[i].data(), blocks[i].data() + blocks[i].size(),
                        [&](std::byte b) { return b == static_cast<std::byte>(i + 1); }));
  }
}

TEST_CASE("huge pages: too much is a null pointer") {
  CHECK(huge_pages().allocate((std::numeric_limits<std::size_t>::max)(), 64) == nullptr);
  CHECK(huge_pages().allocate((std::numeric_limits<std::size_t>::max)() - HugePages::page, 64) == nullptr);
  CHECK(huge_pages().allocate((std::numeric_limits<std::size_t>::max)() / 4, 64) == nullptr);
}

TEST_CASE("huge pages: what is not touched costs nothing") {
  // Far more than the machine has; mapped, not filled.
  AlignedBytes much = AlignedBytes::zeroed(std::size_t{1} << 36, 1, &huge_pages());
  if (much.data() == nullptr) return;  // the system promises only what it has
  much.data()[0] = std::byte{1};
  much.data()[much.size() - 1] = std::byte{2};
  CHECK(much.data()[much.size() / 2] == std::byte{0});
}
