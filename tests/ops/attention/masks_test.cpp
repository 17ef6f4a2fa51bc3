// SPDX-License-Identifier: Apache-2.0
// The masks of language models against their rules, pair by pair.
#include <molmo/ops/attention/masks.hpp>

#include "ops/attention/mask_support.hpp"

using namespace molmo;
using namespace molmo_test;

TEST_CASE("masks by position: causal, windows, chunks, prefixes") {
  const index_t n = 150;
  check_mask(causal, [](index_t q, index_t k, index_t) { return k <= q; }, n, true);
  check_mask(bidirectional, [](index_t, index_t, index_t) { return true; }, n, true);
  check_mask(diagonal, [](index_t q, index_t k, index_t) { return k == q; }, n, true);
  for (const index_t w : {1, 2, 5, 64, 65, 200}) {
    check_mask(within(w), [w](index_t q, index_t k, index_t) { return q - k < w && k - q < w; }, n);
    // j > i - w and j <= i: w keys, the query's own included.
    check_mask(causal && within(w), [w](index_t q, index_t k, index_t) { return k > q - w && k <= q; }, n);
  }
  check_mask(within(3, 8), [](index_t q, index_t k, index_t) { return k >= q - 3 && k <= q + 8; }, n);
  for (const index_t c : {1, 7, 64}) {
    check_mask(chunked(c), [c](index_t q, index_t k, index_t) { return q / c == k / c; }, n);
    check_mask(causal && chunked(c), [c](index_t q, index_t k, index_t) { return q / c == k / c && k <= q; }, n);
  }
  for (const index_t p : {0, 1, 40, 150})
    check_mask(causal || prefix(p), [p](index_t q, index_t k, index_t) { return k <= q || (q < p && k < p); }, n, true);
  check_mask(causal && keys_below(31), [](index_t q, index_t k, index_t) { return k <= q && k < 31; }, n, true);
}

TEST_CASE("masks by flag and by label: padding, documents, branches") {
  Random random(1);
  const index_t n = 130;
  std::vector<std::uint8_t> valid(static_cast<std::size_t>(n));
  std::vector<std::int32_t> packed(valid.size()), mixed(valid.size());
  std::int32_t document = 3;
  for (std::size_t i = 0; i < valid.size(); ++i) {
    valid[i] = static_cast<std::uint8_t>(i < 20 || random.between(0, 9) < 7);
    document += random.between(0, 30) == 0;
    packed[i] = document;
    mixed[i] = random.between(0, 9) == 0 ? 10000 : static_cast<std::int32_t>(random.between(0, 2));
  }
  const auto at = [](index_t i) { return static_cast<std::size_t>(i); };
  check_mask(keys_where(valid.data()), [&](index_t, index_t k, index_t) { return valid[at(k)] != 0; }, n, true);
  check_mask(queries_where(valid.data()), [&](index_t q, index_t, index_t) { return valid[at(q)] != 0; }, n, true);
  check_mask(documents(packed.data()), [&](index_t q, index_t k, index_t) { return packed[at(q)] == packed[at(k)]; }, n);
  check_mask(causal && documents(mixed.data()),
             [&](index_t q, index_t k, index_t) { return k <= q && mixed[at(q)] == mixed[at(k)]; }, n);
  check_mask(documents(packed.data(), mixed.data()),
             [&](index_t q, index_t k, index_t) { return packed[at(q)] == mixed[at(k)]; }, n);
  check_mask((causal && subsegments(mixed.data())) || diagonal,
             [&](index_t q, index_t k, index_t) { return (k <= q && mixed[at(q)] <= mixed[at(k)]) || q == k; }, n);
}
