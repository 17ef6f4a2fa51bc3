// SPDX-License-Identifier: Apache-2.0
// PinThreads gives back what it took, also where one thread does all parts.
#include <molmo/bench/pin.hpp>

#include <support/catch.hpp>

using namespace molmo;

#if defined(__linux__)
namespace {

struct OneAfterTheOther {
  int parts = 2;
  [[nodiscard]] int threads() const { return parts; }
  template <class Body>
  void parallel(Body&& body) const {
    for (int i = 0; i < parts; ++i) body(i, parts);
  }
};

int cores_allowed() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

}  // namespace

TEST_CASE("PinThreads: one core while it lives, all of them afterwards") {
  const int before = cores_allowed();
  REQUIRE(before > 0);
  {
    const PinThreads pin(OneAfterTheOther{1});
    CHECK(pin.pinned());
    CHECK(cores_allowed() == 1);
  }
  CHECK(cores_allowed() == before);
}

TEST_CASE("PinThreads: a thread that does several parts gets all its cores back") {
  const int before = cores_allowed();
  {
    const PinThreads pin(OneAfterTheOther{2});
    CHECK(pin.pinned() == (before >= 2));
  }
  CHECK(cores_allowed() == before);
}

TEST_CASE("PinThreads: more threads than cores are left alone") {
  const int before = cores_allowed();
  const PinThreads pin(OneAfterTheOther{before + 1});
  CHECK_FALSE(pin.pinned());
  CHECK(cores_allowed() == before);
}
#endif
