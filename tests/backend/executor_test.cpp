// SPDX-License-Identifier: Apache-2.0
// Steps and their parts: the caller's floating-point mode goes along, exceptions come back, and a child of fork()
// calculates alone.
#include <molmo/backend/threads.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/backend/xsimd.hpp>
#endif

#include "support/catch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace molmo;

namespace {

template <class F>
void step(Executor& e, F&& f) {
  run_parts(e, std::forward<F>(f));
}

// A thread of its own for every part, as a job system might have.
class Jobs final : public Executor {
 public:
  int threads() const noexcept override { return 3; }
  void run(Body body, void* data) noexcept override {
    std::vector<std::thread> threads;
    for (int part = 0; part < 3; ++part)
      threads.emplace_back([this, body, data, part] {
        const auto mode = detail::float_mode();
        body(data, part, 3);
        changed += detail::float_mode() != mode;
      });
    for (auto& t : threads) t.join();
  }
  std::atomic<int> changed{0};
};

struct Rounding {
  explicit Rounding(int direction) { std::fesetround(direction); }
  ~Rounding() { std::fesetround(before); }
  int before = std::fegetround();
};
float third() {
  volatile float one = 1, three = 3, result = one / three;  // here: compilers know nothing of the mode
  return result;
}

// The exit status of a child that runs f, which returns whether all was well. It has ten minutes: machines may be busy.
template <class F>
int in_child(F&& f) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(600);
    _exit(f() ? 0 : 1);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

}  // namespace

TEST_CASE("parts round as the thread that asks for the step") {
  const float down = [] { return Rounding(FE_DOWNWARD), third(); }();
  const float up = [] { return Rounding(FE_UPWARD), third(); }();
  REQUIRE(down != up);
  ThreadPool pool(4);
  Jobs jobs;
  for (Executor* e : std::initializer_list<Executor*>{&pool, &jobs})
    for (int round = 0; round < 20; ++round) {
      const bool upward = round % 2 == 0;
      std::vector<float> got(static_cast<std::size_t>(e->threads()));
      {
        const Rounding mode(upward ? FE_UPWARD : FE_DOWNWARD);
        step(*e, [&](int part, int) { got[static_cast<std::size_t>(part)] = third(); });
      }
      for (const float x : got) REQUIRE(x == (upward ? up : down));
    }
  CHECK(jobs.changed == 0);  // threads of one's own get theirs back
}

TEST_CASE("what a part throws comes out of the step, and the executor can be used again") {
  ThreadPool pool(4);
  Jobs jobs;
  for (Executor* e : std::initializer_list<Executor*>{&pool, &jobs})
    for (int round = 0; round < 60; ++round) {
      const int bad = round % 4;  // 3: all of them
      std::atomic<int> ended{0};
      std::string what;
      try {
        step(*e, [&](int part, int) {
          ++ended;
          if (part == bad || bad == 3) throw std::runtime_error("part " + std::to_string(part));
        });
      } catch (const std::runtime_error& error) {
        what = error.what();
      }
      REQUIRE(ended == e->threads());
      if (bad < 3)
        REQUIRE(what == "part " + std::to_string(bad));
      else
        REQUIRE(what.starts_with("part "));
      int calls[4] = {};
      step(*e, [&](int part, int) { ++calls[part]; });
      for (int i = 0; i < e->threads(); ++i) REQUIRE(calls[i] == 1);
    }
}

TEST_CASE("what a part of a nested step throws comes out of both") {
  ThreadPool pool(3);
  CHECK_THROWS_AS(step(pool,
                       [&](int outer, int) {
                         step(pool, [&](int inner, int) {
                           if (outer == 1 && inner == 2) throw std::out_of_range("here");
                         });
                       }),
                  std::out_of_range);
}

#if MOLMO_HAS_XSIMD
TEST_CASE("exceptions leave parallel(), share() and statements; what is called may be const") {
  const Xsimd cpu{3};
  std::atomic<int> calls{0};
  const auto constant = [&](int, int) { ++calls; };
  cpu.parallel(constant);
  CHECK(calls == 3);
  CHECK_THROWS_AS(cpu.parallel([](int part, int) {
    if (part == 2) throw std::runtime_error("part 2");
  }),
                  std::runtime_error);
  CHECK_THROWS_AS(cpu.share(20, true,
                            [](int part, int, int) {
                              if (part == 17) throw std::runtime_error("part 17");
                            }),
                  std::runtime_error);
  std::vector<std::atomic<int>> times(20);
  cpu.share(20, true, [&](int part, int parts, int worker) {
    times[static_cast<std::size_t>(part)] += parts == 20 && worker >= 0 && worker < 3;
  });
  for (const auto& t : times) CHECK(t == 1);
}

TEST_CASE("a caller that flushes subnormal numbers gets the same bits from any number of threads") {
#if defined(__SSE__)
  std::vector<float> x(100'000), one(x.size()), four(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 1e-42f;
  const View<const float, Shape<dyn>> vx(x.data(), 100'000);
  const Xsimd alone, cpu{4};
  const auto halve = [&](const Xsimd<>& on, std::vector<float>& y) MOLMO_NOINLINE {
    assign(on, View<float, Shape<dyn>>(y.data(), 100'000), vx * 0.5f);
  };
  const auto mode = detail::float_mode();
  detail::set_float_mode(mode | 0x8040);  // flush results and operands
  halve(alone, one);
  halve(cpu, four);
  detail::set_float_mode(mode);
  CHECK(one == four);
  CHECK(one[1000] == 0);
#else
  SUCCEED();
#endif
}
#endif

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MOLMO_TEST_NO_FORK 1
#endif
#endif
#if !defined(__SANITIZE_THREAD__) && !defined(MOLMO_TEST_NO_FORK)  // which does not follow a child that starts threads
TEST_CASE("a child of fork() runs all parts alone, lets go of its parent's pool, and may have threads of its own") {
  auto pool = std::make_unique<ThreadPool>(4);
  const auto works = [](Executor& e) {
    int calls[4] = {};
    for (int round = 0; round < 100; ++round) step(e, [&](int part, int) { ++calls[part]; });
    return calls[0] == 100 && calls[1] == 100 && calls[2] == 100 && calls[3] == 100;
  };
  CHECK(works(*pool));
  CHECK(in_child([&] {
          const bool alone = works(*pool);
          ThreadPool own(4);
          const bool threads = works(own);
          const bool grandchild = in_child([&] { return works(*pool) && works(own); }) == 0;
          pool.reset();
          return alone && threads && grandchild;
        }) == 0);
  CHECK(works(*pool));  // the parent goes on as before
}
#endif
