// SPDX-License-Identifier: Apache-2.0
// What every mask has to keep: its three answers agree with a rule that the test writes, pair by pair.
#pragma once

#include <molmo/ops/attention/mask.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace molmo_test {

/// Checks `mask` against rule(q, k, h) over all pairs of n positions and of 3 heads, and over random tiles. An exact
/// mask says `some` of no tile of up to 24 x 64 that is all seen or all unseen.
template <class M, class Rule>
void check_mask(const M& mask, const Rule& rule, std::ptrdiff_t n, bool exact = false) {
  using namespace molmo;
  index_t wrong = 0;
  for (index_t q = 0; q < n; ++q)
    for (index_t k = 0; k < n; ++k)
      for (index_t h = 0; h < 3; ++h) wrong += molmo::detail::mask_sees(mask, q, k, h) != rule(q, k, h);
  CHECK(wrong == 0);
  Random random(static_cast<std::uint64_t>(n));
  index_t told_too_much = 0, told_too_little = 0, wrong_bits = 0;
  for (int i = 0; i < 4000; ++i) {
    MaskTile t;
    t.q_begin = random.between(0, n - 1), t.k_begin = random.between(0, n - 1);
    t.q_end = random.between(t.q_begin + 1, t.q_begin + 24 < n ? t.q_begin + 24 : n);
    t.k_end = random.between(t.k_begin + 1, t.k_begin + 64 < n ? t.k_begin + 64 : n);
    t.h_end = 3;
    bool any = false, all = true;
    for (index_t q = t.q_begin; q < t.q_end; ++q)
      for (index_t h = 0; h < 3; ++h) {
        const std::uint64_t word = molmo::detail::mask_word(mask, q, t.k_begin, t.k_end - t.k_begin, h);
        for (index_t k = t.k_begin; k < t.k_end; ++k) {
          const bool seen = rule(q, k, h);
          any = any || seen, all = all && seen;
          wrong_bits += ((word >> (k - t.k_begin)) & 1) != (seen ? 1u : 0u);
        }
      }
    const Sees said = molmo::detail::mask_over(mask, t);
    told_too_much += (said == Sees::none && any) || (said == Sees::all && !all);
    told_too_little += exact && said == Sees::some && (all || !any);
  }
  CHECK(wrong_bits == 0);
  CHECK(told_too_much == 0);
  CHECK(told_too_little == 0);
}

}  // namespace molmo_test
