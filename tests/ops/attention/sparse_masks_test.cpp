// SPDX-License-Identifier: Apache-2.0
// Block-sparse masks and the patterns made of them, against their rules.
#include <molmo/ops/attention/sparse_masks.hpp>

#include "ops/attention/mask_support.hpp"

#include <cstdlib>
#include <set>

using namespace molmo;
using namespace molmo_test;

TEST_CASE("sparse masks: a map of blocks, of any sizes") {
  Random random(1);
  const index_t n = 200;
  for (const index_t size_q : {1, 16, 24, 64})
    for (const index_t size_k : {1, 10, 64, 100}) {
      const index_t rows = (n + size_q - 1) / size_q, columns = (n + size_k - 1) / size_k;
      std::vector<std::uint8_t> map(static_cast<std::size_t>(rows * columns));
      for (auto& seen : map) seen = random.between(0, 2) == 0;
      check_mask(blocks(map.data(), size_q, size_k, columns), [&](index_t q, index_t k, index_t) {
        return map[static_cast<std::size_t>(q / size_q * columns + k / size_k)] != 0;
      }, n, true);
    }
}

TEST_CASE("sparse masks: strides, global tokens, Longformer") {
  const index_t n = 180;
  for (const index_t s : {1, 3, 64, 70})
    check_mask(every_nth(s), [s](index_t q, index_t k, index_t) { return std::abs(q - k) % s == 0; }, n);
  check_mask(causal && strided(8, 32), [](index_t q, index_t k, index_t) { return k <= q && (q - k < 8 || (q - k) % 32 == 0); }, n);
  check_mask(global_tokens(30), [](index_t q, index_t k, index_t) { return q < 30 || k < 30; }, n);
  check_mask(longformer(20, 4),
             [](index_t q, index_t k, index_t) { return std::abs(q - k) <= 10 || q < 4 || k < 4; }, n);
}

TEST_CASE("sparse masks: random blocks are as many as drawn, the same every time, and others for another seed") {
  const index_t n = 1000, size = 32, columns = (n + size - 1) / size;
  const auto drawn = random_blocks(size, 3, 7, n);
  index_t total = 0, other = 0;
  for (index_t bq = 0; bq < columns; ++bq) {
    std::set<index_t> seen;
    for (index_t k = 0; k < n; ++k)
      if (drawn.sees(bq * size, k)) seen.insert(k / size);
    CHECK(seen.size() >= 1);
    CHECK(seen.size() <= 3);
    total += static_cast<index_t>(seen.size());
    for (const index_t b : seen) other += !random_blocks(size, 3, 8, n).sees(bq * size, b * size);
  }
  CHECK(total > 80);   // of 96: few are drawn twice
  CHECK(other > 60);   // by chance about 9 of 100 are the same
  check_mask(drawn, [&](index_t q, index_t k, index_t) { return drawn.b.block(q / size, k / size); }, 300, true);
  check_mask(bigbird(40, 8, size, 3, 7, n), [&](index_t q, index_t k, index_t) {
    return std::abs(q - k) < 40 || q < 8 || k < 8 || drawn.b.block(q / size, k / size);
  }, 300);
}
