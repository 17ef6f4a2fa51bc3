// SPDX-License-Identifier: Apache-2.0
// The pool: every part exactly once, nested and concurrent steps, many short steps, more threads than cores.
#include <molmo/backend/threads.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>
#include <vector>

using namespace molmo;

namespace {

// Runs a callable as a step.
template <class F>
void step(Executor& e, F&& f) {
  e.run([](void* data, int part, int parts) { (*static_cast<std::remove_reference_t<F>*>(data))(part, parts); }, &f);
}

}  // namespace

TEST_CASE("every part of a step runs once, for 1 to 8 threads") {
  for (int threads = 1; threads <= 8; ++threads) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (int round = 0; round < 50; ++round) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(threads));
      std::atomic<int> wrong{0};
      step(pool, [&](int part, int parts) {
        if (parts != threads || part < 0 || part >= parts)
          ++wrong;
        else
          ++calls[static_cast<std::size_t>(part)];
      });
      REQUIRE(wrong == 0);
      for (const auto& c : calls) REQUIRE(c == 1);
    }
  }
}

TEST_CASE("parts run at the same time, in different threads") {
  ThreadPool pool(3);
  std::atomic<int> here{0};
  std::vector<std::thread::id> ids(3);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  step(pool, [&](int part, int) {
    ids[static_cast<std::size_t>(part)] = std::this_thread::get_id();
    ++here;
    while (here != 3 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  });
  CHECK(here == 3);
  CHECK((ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]));
  CHECK(ids[0] == std::this_thread::get_id());
}

TEST_CASE("what the parts wrote is seen by the caller, and by the parts of the next step") {
  ThreadPool pool(4);
  std::vector<long> cells(4, 0);  // plain memory: the steps order it
  for (int round = 0; round < 20000; ++round)
    step(pool, [&](int part, int parts) {
      const auto next = static_cast<std::size_t>((part + round) % parts);
      cells[next] += 1;
    });
  for (const long c : cells) CHECK(c == 20000);
}

TEST_CASE("a nested step runs all its parts in the thread that asked") {
  ThreadPool pool(4);
  std::atomic<int> inner{0}, wrong{0};
  step(pool, [&](int, int) {
    const auto me = std::this_thread::get_id();
    step(pool, [&](int, int parts) {
      ++inner;
      wrong += parts != 4 || std::this_thread::get_id() != me;
    });
  });
  CHECK(inner == 16);
  CHECK(wrong == 0);
}

TEST_CASE("two threads share one pool: the same results, no deadlock") {
  ThreadPool pool(3);
  std::atomic<int> wrong{0};
  const auto work = [&] {
    for (int round = 0; round < 3000; ++round) {
      int done[3] = {};
      step(pool, [&](int part, int) { ++done[part]; });
      wrong += done[0] != 1 || done[1] != 1 || done[2] != 1;
    }
  };
  std::thread other(work);
  work();
  other.join();
  CHECK(wrong == 0);
}

TEST_CASE("steps after a pause wake the sleeping workers") {
  ThreadPool pool(3);
  std::atomic<int> calls{0};
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    step(pool, [&](int, int) { ++calls; });
  }
  CHECK(calls == 15);
}

TEST_CASE("more threads than cores, and pools that are destroyed at once") {
  {
    ThreadPool pool(static_cast<int>(std::thread::hardware_concurrency()) * 2 + 3);
    std::atomic<int> calls{0};
    for (int round = 0; round < 200; ++round) step(pool, [&](int, int) { ++calls; });
    CHECK(calls == 200 * pool.threads());
  }
  int made = 0;
  for (int round = 0; round < 50; ++round) {
    const ThreadPool pool(4);
    made += pool.threads();
  }
  CHECK(made == 200);
}

TEST_CASE("0 and negative numbers of threads mean one per core") {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  CHECK(ThreadPool(0).threads() == (cores > 0 ? cores : 1));
  CHECK(ThreadPool(-3).threads() == (cores > 0 ? cores : 1));
}
