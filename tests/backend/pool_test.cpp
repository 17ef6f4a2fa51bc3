// SPDX-License-Identifier: Apache-2.0
// Pool and Scratch: what is lent belongs to one borrower at a time, comes back, and is not made twice.
#include <molmo/backend/pool.hpp>
#include <molmo/backend/scratch.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

using namespace molmo;

namespace {

std::atomic<int> made{0};
struct Counted {
  Counted() { ++made; }
  int number = 0;
};

}  // namespace

TEST_CASE("a pool makes as many objects as are borrowed at the same time") {
  made = 0;
  Pool<Counted> pool;
  for (int i = 0; i < 3; ++i) {
    const auto a = pool.lend(), b = pool.lend();
    REQUIRE((a && b));
    CHECK(&*a != &*b);
    a->number = b->number = i;
  }
  CHECK(made == 2);
  CHECK_FALSE(Pool<Counted>::Loan());
}

TEST_CASE("threads that borrow from one pool never have the same object") {
  made = 0;
  Pool<Counted> pool;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int id = 1; id <= 4; ++id)
    threads.emplace_back([&, id] {
      for (int i = 0; i < 5000; ++i) {
        const auto mine = pool.lend();
        mine->number = id;  // plain memory: ThreadSanitizer sees two borrowers
        if (i % 64 == 0) std::this_thread::yield();
        wrong += mine->number != id;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK((made >= 1 && made <= 4));
}

TEST_CASE("scratch memory: a piece for each worker, aligned, and more where more workers ask") {
  Scratch scratch;
  CHECK_FALSE(scratch.lend(1, false));
  const std::byte* first = nullptr;
  for (const int workers : {1, 3, 2}) {
    const auto lent = scratch.lend(workers);
    REQUIRE(lent);
    for (int w = 0; w < workers; ++w) {
      std::byte* const piece = lent[w];
      CHECK(reinterpret_cast<std::uintptr_t>(piece) % 64 == 0);
      CHECK(piece == lent[0] + static_cast<std::size_t>(w) * Scratch::piece_bytes);
      piece[0] = piece[Scratch::piece_bytes - 1] = std::byte{7};
    }
    if (workers == 2) CHECK(lent[0] == first);  // what three had is large enough
    first = lent[0];
  }
}
