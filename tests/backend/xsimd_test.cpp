// SPDX-License-Identifier: Apache-2.0
// The SIMD backend as a value: copies, threads, executors of one's own. (What it calculates is in tests/expr.)
#if MOLMO_HAS_XSIMD
#include <molmo/backend/xsimd.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <type_traits>
#include <vector>

using namespace molmo;

namespace {

// Five parts, one after another, backwards.
struct Backwards final : Executor {
  int steps = 0;
  [[nodiscard]] int threads() const noexcept override { return 5; }
  void run(Body body, void* data) noexcept override {
    ++steps;
    for (int part = 4; part >= 0; --part) body(data, part, 5);
  }
};

}  // namespace

TEST_CASE("the backend is a small value that derives from the plain loops") {
  STATIC_REQUIRE(std::is_base_of_v<Reference, Xsimd<>>);
  STATIC_REQUIRE(std::is_copy_constructible_v<Xsimd<>>);
  STATIC_REQUIRE(sizeof(Xsimd<>) <= 16 + sizeof(void*));
  STATIC_REQUIRE(std::is_same_v<decltype(Xsimd{2}), Xsimd<native>>);
  CHECK(Xsimd<>().threads() == 1);
  CHECK(Xsimd{1}.threads() == 1);
  const Xsimd cpu{3};
  const Xsimd<> copy = cpu;
  CHECK(copy.threads() == 3);
  CHECK(Xsimd{0}.threads() >= 1);
}

TEST_CASE("parallel calls every part; parallel_if only when it is worth it") {
  const Xsimd cpu{4};
  std::atomic<int> calls{0};
  cpu.parallel([&](int, int parts) { calls += parts; });
  CHECK(calls == 16);
  calls = 0;
  cpu.parallel_if(false, [&](int part, int parts) { calls += part == 0 && parts == 1; });
  CHECK(calls == 1);
  calls = 0;
  cpu.parallel_if(true, [&](int, int) { ++calls; });
  CHECK(calls == 4);
}

TEST_CASE("threads of your own give the same bits") {
  constexpr index_t n = 100'001;
  std::vector<float> x(n), a(n), b(n);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 977) * 0.01f - 4;
  const View<const float, Shape<dyn>> vx(x.data(), n);
  const View<float, Shape<dyn>> va(a.data(), n), vb(b.data(), n);
  const auto own = std::make_shared<Backwards>();
  const Xsimd mine{std::shared_ptr<Executor>(own)};
  CHECK(mine.threads() == 5);
  on(Xsimd<>(), va) = gelu(vx) * 2;
  on(mine, vb) = gelu(vx) * 2;
  CHECK(own->steps == 1);
  CHECK(a == b);
  CHECK(sum(Xsimd<>(), vx) == sum(mine, vx));
  CHECK(own->steps > 1);
}

TEST_CASE("short passes stay in the calling thread") {
  const auto own = std::make_shared<Backwards>();
  const Xsimd mine{std::shared_ptr<Executor>(own)};
  Tensor<float, 1000> x, y;
  on(mine, y) = x + 1;
  CHECK(own->steps == 0);
  CHECK(y[999] == 1);
}

TEST_CASE("backends in two threads share a pool") {
  const Xsimd cpu{2};
  constexpr index_t n = 70'000;
  std::atomic<int> wrong{0};
  const auto work = [&](float shift) {
    std::vector<float> x(n, shift), y(n);
    for (int round = 0; round < 20; ++round) {
      on(cpu, View<float, Shape<dyn>>(y.data(), n)) = View<float, Shape<dyn>>(x.data(), n) + static_cast<float>(round);
      for (const float v : y) wrong += v != shift + static_cast<float>(round);
    }
  };
  std::thread other(work, 0.5f);
  work(100.0f);
  other.join();
  CHECK(wrong == 0);
}
#endif
