// SPDX-License-Identifier: Apache-2.0
// The operands of attention: distances, positions, and caches of their own for keys and values.
#include <molmo/ops/attention/operands.hpp>

#include "support/catch.hpp"

#include <vector>

using namespace molmo;

TEST_CASE("operands: heads of rows, dense and with gaps") {
  std::vector<float> x(200);
  const auto dense = HeadRows<float>::dense(x.data(), 3, 4, 5);
  CHECK(dense.at(2, 3) == x.data() + 2 * 20 + 3 * 5);
  const HeadRows<const float> gaps{x.data(), 3, 2, 5, 50, 7};
  CHECK(gaps.at(2, 1) == x.data() + 107);
}

TEST_CASE("operands: queries are the last of the keys, unless their position is said") {
  AttentionOperands a;
  a.q.tokens = 3, a.q.heads = 6;
  read_cache(a, KvHeads{nullptr, nullptr, nullptr, nullptr, 32, 8, KvFormat::f16}, 2, 20);
  CHECK(a.query_position(0) == 17);
  CHECK(a.query_position(2) == 19);
  a.first_key = 100;
  CHECK(a.query_position(0) == 117);
  a.first_query = 4;
  CHECK(a.query_position(1) == 5);
  CHECK(a.group() == 3);
  CHECK((a.k.heads == 2 && a.k.width == 8 && a.v.width == 8 && a.v.tokens == 20));
}

TEST_CASE("operands: values of another width lie in a cache of their own") {
  AttentionOperands a;
  read_cache(a, KvHeads{nullptr, nullptr, nullptr, nullptr, 32, 192, KvFormat::f32},
             KvHeads{nullptr, nullptr, nullptr, nullptr, 32, 128, KvFormat::q8}, 4, 9);
  CHECK((a.k.width == 192 && a.v.width == 128 && a.value_cache.format == KvFormat::q8));
}
