// SPDX-License-Identifier: Apache-2.0
// After make_session() nothing is allocated: not by prefill, decode, sample or generate_ids, with one thread or several.
#include <molmo/run/session.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif
#if MOLMO_HAS_IO
#include <molmo/run/generate.hpp>
#endif

#include "support/compare.hpp"
#include "support/count_allocations.hpp"
#include "support/golden_configs.hpp"
#include "support/random_model.hpp"
#include "support/stored.hpp"

#include <stop_token>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

template <class Ctx>
std::size_t allocations_of_a_conversation(const Ctx& ctx, int times) {
  static const RandomWeights<Llm<olmo2>> model(1);
  auto s = make_session(*model, ctx, {.context = 64, .prefill_chunk = 20});
  REQUIRE(s);
  std::vector<std::int32_t> ids(40, 5);
  bool fine = true;
  std::size_t count = 0;
  for (int i = 0; i < times; ++i) {
    const AllocationCount made;
    std::stop_source stop(std::nostopstate);
    auto watch = [&](const Progress& p) { return p.done <= p.total; };
    fine = fine && s->prefill(ids, stop.get_token(), watch);
    for (std::uint64_t step = 0; step < 10; ++step) {
      const auto id = s->sample(step % 2 ? SamplingOptions{.temperature = 0.8, .top_k = 20, .top_p = 0.9} : SamplingOptions{}, step);
      fine = fine && id && s->decode(*id);
    }
    s->rewind();
#if MOLMO_HAS_IO
    int tokens = 0;
    const auto g = generate_ids(*s, ids, {.max_new = 12, .temperature = 1, .top_p = 0.9}, [&](std::int32_t) { return ++tokens < 100; });
    fine = fine && g && tokens == 12;
    s->rewind();
#endif
    count += made.count();
  }
  CHECK(fine);
  return count;
}

}  // namespace

TEST_CASE("allocations: this program counts them") {
  const AllocationCount made;
  int* volatile seen = new int(3);  // volatile: or the compiler removes the pair
  delete seen;
  CHECK(made.count() == 1);
#if MOLMO_TEST_COUNTS_MALLOC
  const AllocationCount also;
  const AlignedBytes bytes = AlignedBytes::zeroed(100, 1);  // by calloc
  CHECK(also.count() == 1);
#endif
}

TEST_CASE("allocations: none after make_session") {
  CHECK(allocations_of_a_conversation(Reference{}, 2) == 0);
#if MOLMO_HAS_XSIMD
  CHECK(allocations_of_a_conversation(Xsimd<>(), 3) == 0);
  for (const int threads : {2, 3, 8}) CHECK(allocations_of_a_conversation(Xsimd<>(threads), 3) == 0);
#endif
}

#if MOLMO_HAS_XSIMD
TEST_CASE("allocations: a product whose scratch memory is refused calculates without rounding activations") {
  Random random(1);
  const index_t k = 20000;  // a row of x as bytes is too large for the stack
  const auto x = random.numbers(k);
  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    const Stored w(random, format, 19, k, Layout::panels);
    const auto run = [&](const Xsimd<>& cpu) {
      std::vector<float> y(19);
      multiply(cpu, Rows{x.data(), 1, k, k}, Product<float, Acc>{w.m, y.data(), 19, acc});
      return y;
    };
    const Xsimd<> cpu, exact = Xsimd<>().exact();
    const auto want = run(exact);
    std::vector<float> got(19);
    {
      const FailAllocation refused(1);
      multiply(cpu, Rows{x.data(), 1, k, k}, Product<float, Acc>{w.m, got.data(), 19, acc});
    }
    REQUIRE_SAME_BITS(got, want);
    const auto later = run(cpu);  // now there is memory
    if (detail::Bytes<native>::fast) CHECK(later != want);
  }
}
#endif
