// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/memory.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdlib>

using namespace molmo;

namespace {

// Counts, and refuses when it is told to.
struct Counting final : MemoryResource {
  int live = 0, calls = 0;
  std::size_t bytes = 0;
  bool refuse = false;

  void* allocate(std::size_t n, std::size_t alignment) noexcept override {
    ++calls;
    if (refuse) return nullptr;
    ++live, bytes += n;
    void* p = std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
    if (p != nullptr) std::memset(p, 0xcd, n);  // whoever relies on zeroes must write them
    return p;
  }
  void deallocate(void* p, std::size_t n, std::size_t) noexcept override {
    --live, bytes -= n;
    std::free(p);
  }
};

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % cache_line == 0; }

}  // namespace

TEST_CASE("AlignedBytes: zeroed, aligned, freed once") {
  Counting from;
  {
    AlignedBytes a = AlignedBytes::zeroed(100, 3, &from);
    REQUIRE(a.data() != nullptr);
    CHECK(a.size() == 300);
    CHECK(aligned(a.data()));
    CHECK(std::all_of(a.data(), a.data() + a.size(), [](std::byte b) { return b == std::byte{0}; }));
    CHECK(from.live == 1);

    AlignedBytes b = std::move(a);
    CHECK(a.data() == nullptr);
    CHECK(a.size() == 0);
    CHECK(b.size() == 300);
    AlignedBytes c = AlignedBytes::zeroed(1, 1, &from);
    CHECK(from.live == 2);
    c = std::move(b);  // frees what c had
    CHECK(from.live == 1);
    CHECK(c.size() == 300);
    AlignedBytes& same = c;
    c = std::move(same);
    CHECK(c.size() == 300);
  }
  CHECK(from.live == 0);
  CHECK(from.bytes == 0);
  const AlignedBytes own = AlignedBytes::zeroed(7, 9);
  CHECK(aligned(own.data()));
}

TEST_CASE("AlignedBytes: a resource that gives zeroes is believed") {
  struct Zeroes final : MemoryResource {
    std::byte block[256];
    void* allocate(std::size_t, std::size_t) noexcept override {
      std::memset(block, 0, sizeof block);
      block[5] = std::byte{7};  // shows that nobody wrote it again
      return block;
    }
    void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    bool gives_zeroes() const noexcept override { return true; }
  } zeroes;
  CHECK(AlignedBytes::zeroed(200, 1, &zeroes).data()[5] == std::byte{7});
  Counting from;
  CHECK(AlignedBytes::zeroed(200, 1, &from).data()[5] == std::byte{0});
}

TEST_CASE("AlignedBytes: nothing asked for is still a block; too much is a null pointer") {
  Counting from;
  CHECK(AlignedBytes::zeroed(0, 4, &from).data() != nullptr);
  CHECK(AlignedBytes::zeroed(0, 0, &from).data() != nullptr);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  from.calls = 0;
  CHECK(AlignedBytes::zeroed(most, 2, &from).data() == nullptr);
  CHECK(AlignedBytes::zeroed(most / 4 + 1, 4, &from).data() == nullptr);
  CHECK(AlignedBytes::zeroed(2, most, &from).data() == nullptr);
  CHECK(from.calls == 0);  // refused before anybody was asked
  from.refuse = true;
  const AlignedBytes refused = AlignedBytes::zeroed(8, 8, &from);
  CHECK(refused.data() == nullptr);
  CHECK(refused.size() == 0);
  CHECK(from.calls == 1);
}

TEST_CASE("Arena: planned pieces fit exactly, one more does not") {
  Counting from;
  const std::size_t bytes = Arena::padded<float>(17) + Arena::padded<double>(3) + Arena::padded<char>(1);
  CHECK(bytes == 128 + 64 + 64);
  {
    Arena arena(bytes, &from);
    REQUIRE(arena.ok());
    CHECK(arena.capacity() == bytes);
    float* a = arena.take<float>(17);
    double* b = arena.take<double>(3);
    char* c = arena.take<char>(1);
    REQUIRE(a != nullptr);
    REQUIRE(b != nullptr);
    REQUIRE(c != nullptr);
    CHECK((aligned(a) && aligned(b) && aligned(c)));
    CHECK(reinterpret_cast<char*>(b) - reinterpret_cast<char*>(a) == 128);
    CHECK(a[16] == 0.0f);
    CHECK(b[2] == 0.0);
    CHECK(arena.used() == bytes);
    CHECK(arena.take<char>(1) == nullptr);
    CHECK(arena.take<float>(0) != nullptr);
    CHECK(from.calls == 1);
  }
  CHECK(from.live == 0);
}

TEST_CASE("Arena: sizes that overflow, no memory, no arena") {
  Arena arena(256);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(arena.take<float>(most) == nullptr);
  CHECK(arena.take<float>(most / 4 + 1) == nullptr);  // the product wraps to a small number
  CHECK(arena.take<double>(most / 8 + 2) == nullptr);
  CHECK(arena.take<char>(most) == nullptr);
  CHECK(arena.used() == 0);
  Counting from;
  from.refuse = true;
  Arena none(256, &from);
  CHECK_FALSE(none.ok());
  CHECK(none.take<float>(1) == nullptr);
  Arena empty;
  CHECK_FALSE(empty.ok());
  CHECK(empty.take<float>(1) == nullptr);
  CHECK(empty.capacity() == 0);
}

TEST_CASE("require_memory throws bad_alloc for a null pointer only") {
  int x = 0;
  CHECK_NOTHROW(require_memory(&x));
  CHECK_THROWS_AS(require_memory(nullptr), std::bad_alloc);
}
