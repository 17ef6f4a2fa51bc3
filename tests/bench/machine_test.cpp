// SPDX-License-Identifier: Apache-2.0
// The machine's limits: that they are there and plausible. Not their values: the machine of a test run is busy.
#if defined(MOLMO_HAS_XSIMD)
#include <molmo/bench/machine.hpp>

#include <support/catch.hpp>

using namespace molmo;

TEST_CASE("measure_machine: every limit is measured") {
  const Xsimd<> cpu{2};
  const Machine m = measure_machine(cpu, Effort::quick);
  CHECK(m.threads == 2);
  for (const Rate& r : {m.flops, m.int8, m.read_l2, m.read_l3, m.read_dram, m.copy, m.triad, m.update}) {
    CHECK(r.min > 1e6);  // a million per second: any machine, under any sanitizer
    CHECK(r.min <= r.median);
    CHECK(r.median <= r.max);
    CHECK(r.max < 1e15);
  }
  CHECK(m.barrier.min > 0);
  CHECK(m.barrier.median < 1);
}

TEST_CASE("measure_machines: a record for every number of threads") {
  CHECK(thread_counts(1) == std::vector<int>{1});
  CHECK(thread_counts(2) == std::vector<int>{1, 2});
  CHECK(thread_counts(12) == std::vector<int>{1, 2, 4, 8, 12});
  const auto machines = measure_machines(2, Effort::quick);
  REQUIRE(machines.size() == 2);
  CHECK(machines[0].threads == 1);
  CHECK(machines[1].threads == 2);
  CHECK(machines[0].int8.median > 1e6);
}

TEST_CASE("Int8Dot: the dot product of its bytes") {
  using Native = detail::Int8Dot<Lanes<>::size * 4, detail::int8_level>;
  using Plain = detail::Int8Dot<1, 0>;
  const auto check = []<class Dot>(Dot) {
    typename Dot::Sum sum;
    auto a = Dot::operand(3);
    const auto b = Dot::operand(-2);
    for (int i = 0; i < 5; ++i) Dot::add(sum, a, b);
    CHECK(sum.first() == 5 * 4 * 3 * -2);  // four products go into one sum of 32 bits
    CHECK(detail::int8_work<Dot>(7) == detail::fma_chains * 7 * 4 * 3 * -2);
  };
  check(Native{});
  check(Plain{});
}

TEST_CASE("cache_sizes: levels in order") {
  const CacheSizes c = cache_sizes();
  CHECK(c.l1 >= 4096);
  CHECK(c.l1 <= c.l2);
  CHECK(c.l2 <= c.l3);
}

TEST_CASE("measure_read: small and large tables") {
  const Xsimd<> cpu;
  CHECK(measure_read(cpu, 1, Effort::quick).median > 1e6);  // at least one group of rows
  for (const ReadOrder order : {ReadOrder::stream, ReadOrder::rows})
    CHECK(measure_read(cpu, std::size_t{8} << 20, Effort::quick, order).median > 1e6);
}

TEST_CASE("read_work and stream_work add every float once") {
  constexpr index_t n = 3 * detail::probe_group;
  Tensor<float, dyn> t(n);
  for (index_t i = 0; i < n; ++i) t[i] = static_cast<float>(i % 2);
  CHECK(detail::read_work<Lanes<>>(t.data(), n) == static_cast<float>(n / 2));
  CHECK(detail::stream_work<Lanes<>>(t.data(), n) == static_cast<float>(n / 2));
}

TEST_CASE("TableWalk goes through a table in pieces and starts again") {
  detail::TableWalk walk{10, 4};
  CHECK(walk.next() == 0);
  CHECK(walk.next() == 4);
  CHECK(walk.next() == 0);
  detail::TableWalk whole{4, 4};
  CHECK(whole.next() == 0);
  CHECK(whole.next() == 0);
}

TEST_CASE("measure_read's walk leaves out next to nothing of a table, whatever its length") {
  using detail::probe_group;
  for (index_t groups = 1; groups <= 500; ++groups) {
    CAPTURE(groups);
    const index_t floats = groups * probe_group;
    detail::TableWalk walk = detail::walk_through(floats);
    REQUIRE(walk.piece > 0);
    REQUIRE(walk.piece <= detail::walk_piece);
    REQUIRE(walk.piece % probe_group == 0);
    index_t read = 0, expected = 0;
    do {
      REQUIRE(walk.next() == expected);
      read += walk.piece;
      expected = walk.at;
    } while (expected != 0);
    CHECK(read <= floats);
    CHECK(read >= floats - floats / 20);
  }
}
#endif
