// SPDX-License-Identifier: Apache-2.0
// combine: attention over disjoint sets of keys, added up in any order, is attention over all of them.
#include <molmo/ops/attention/combine.hpp>
#include <molmo/ops/attention/masked.hpp>

#include "ops/attention/dense.hpp"

using namespace molmo;
using namespace molmo_test;

namespace {

AttentionPart part_of(DenseProblem::Result& r, const AttendSizes& s) {
  return {{r.out.data(), s.queries, s.heads, s.dv, s.heads * s.dv + DenseProblem::gap, s.dv}, r.lse.data()};
}

}  // namespace

TEST_CASE("combine: parts of the keys, in any order, are the whole") {
  Random random(1);
  const DenseProblem p(random, {.queries = 9, .keys = 50, .heads = 4, .kv_heads = 2, .dq = 16, .dv = 11, .size = 2});
  const auto third = [](index_t n) { return mask([n](index_t q, index_t k) { return k <= q && k * k % 7 % 3 == n; }); };
  const auto want = p.dense([](index_t q, index_t k, index_t) { return k <= q; }, KeepScore{});
  const index_t orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
  for (const auto& order : orders) {
    auto sum = p.run(Reference{}, third(order[0]), score);
    for (int i = 1; i < 3; ++i) {
      auto more = p.run(Reference{}, third(order[i]), score);
      combine(part_of(sum, p.s), part_of(more, p.s));
    }
    REQUIRE_CLOSE(sum.out, want.out, 5e-7);  // three roundings of f32
    REQUIRE_CLOSE(sum.lse, want.lse, 5e-7, 3e-7);
  }
}

TEST_CASE("combine: a part that has seen nothing changes no bit, and two of them are nothing") {
  Random random(2);
  const DenseProblem p(random, {.queries = 4, .keys = 12, .heads = 2, .kv_heads = 1});
  const auto all = p.run(Reference{}, causal, score);
  auto sum = all, none = p.run(Reference{}, !bidirectional, score);
  combine(part_of(sum, p.s), part_of(none, p.s));
  REQUIRE_SAME_BITS(sum.out, all.out);
  REQUIRE_SAME_BITS(sum.lse, all.lse);
  auto other = none;
  combine(part_of(other, p.s), part_of(sum, p.s));
  REQUIRE_SAME_BITS(other.out, all.out);
  REQUIRE_SAME_BITS(other.lse, all.lse);
  auto twice = none;
  combine(part_of(twice, p.s), part_of(none, p.s));
  REQUIRE_SAME_BITS(twice.out, none.out);
  REQUIRE_SAME_BITS(twice.lse, none.lse);
}

TEST_CASE("combine: a NaN stays in its row, and sizes are compared") {
  std::vector<float> a{1, 2, 3, 4}, b{5, 6, 7, 8}, la{0, 1}, lb{std::numeric_limits<float>::quiet_NaN(), 2};
  const AttentionPart sum{HeadRows<float>::dense(a.data(), 2, 1, 2), la.data()};
  combine(sum, {HeadRows<float>::dense(b.data(), 2, 1, 2), lb.data()});
  CHECK(std::isnan(a[0]));
  CHECK(std::isnan(la[0]));
  CHECK(a[2] == Approx((3 * std::exp(1.0) + 7 * std::exp(2.0)) / (std::exp(1.0) + std::exp(2.0))));
  CHECK(la[1] == Approx(std::log(std::exp(1.0) + std::exp(2.0))));
  CHECK_THROWS_AS(combine(sum, {HeadRows<float>::dense(b.data(), 1, 1, 2), lb.data()}), contract_error);
}
