// SPDX-License-Identifier: Apache-2.0
// Masks joined by && || !, and masks of one's own: a function, a type with sees() alone, a type with keys() alone.
#include <molmo/ops/attention/masks.hpp>

#include "ops/attention/mask_support.hpp"

using namespace molmo;
using namespace molmo_test;

namespace {

// Knows pairs only.
struct SumIsEven {
  bool sees(index_t q, index_t k) const { return (q + k) % 2 == 0; }
};
// Knows the keys of a query only.
struct LastThree {
  KeyRange keys(index_t q) const { return {q - 2, q + 1}; }
};
// Differs by head.
struct HeadsApart {
  bool sees(index_t q, index_t k, index_t h) const { return (q + k) % 3 == h; }
};

}  // namespace

namespace molmo {
template <>
inline constexpr bool enable_mask<SumIsEven> = true;
template <>
inline constexpr bool enable_mask<LastThree> = true;
template <>
inline constexpr bool enable_mask<HeadsApart> = true;
}  // namespace molmo

TEST_CASE("masks: types and functions of one's own") {
  check_mask(SumIsEven{}, [](index_t q, index_t k, index_t) { return (q + k) % 2 == 0; }, 90);
  check_mask(LastThree{}, [](index_t q, index_t k, index_t) { return k <= q && k > q - 3; }, 90, true);
  check_mask(HeadsApart{}, [](index_t q, index_t k, index_t h) { return (q + k) % 3 == h; }, 90);
  const index_t step = 5;
  check_mask(mask([step](index_t q, index_t k) { return (q * k) % step == 1; }),
             [](index_t q, index_t k, index_t) { return (q * k) % 5 == 1; }, 90);
  check_mask(mask([](index_t q, index_t k, index_t h) { return q + h > k; }),
             [](index_t q, index_t k, index_t h) { return q + h > k; }, 90);
}

TEST_CASE("masks: && || and ! mean what they say, of pairs, of words and of tiles") {
  const auto even = [](index_t q, index_t k) { return (q + k) % 2 == 0; };
  check_mask(causal && SumIsEven{}, [&](index_t q, index_t k, index_t) { return k <= q && even(q, k); }, 100);
  check_mask(causal || LastThree{}, [&](index_t q, index_t k, index_t) { return k <= q; }, 100, true);
  check_mask(!causal, [&](index_t q, index_t k, index_t) { return k > q; }, 100, true);
  check_mask(!(causal && within(7)) || HeadsApart{},
             [&](index_t q, index_t k, index_t h) { return !(k <= q && k > q - 7) || (q + k) % 3 == h; }, 100);
  check_mask((causal && !within(5)) || (SumIsEven{} && !causal),
             [&](index_t q, index_t k, index_t) { return (k <= q && q - k >= 5) || (even(q, k) && k > q); }, 100);
}

TEST_CASE("masks: rows of a token are asked once, unless a mask differs by head") {
  CHECK_FALSE(molmo::detail::mask_by_head<decltype(causal && within(3))>());
  CHECK(molmo::detail::mask_by_head<decltype(causal && !HeadsApart{})>());
  CHECK_FALSE(molmo::detail::mask_by_head<decltype(mask([](index_t, index_t) { return true; }))>());
  CHECK(molmo::detail::mask_by_head<decltype(mask([](index_t, index_t, index_t) { return true; }))>());
}

TEST_CASE("masks are known while compiling") {
  static_assert((causal && within(4)).sees(10, 7) && !(causal && within(4)).sees(10, 6));
  static_assert((causal && within(4)).over({10, 12, 0, 6, 0, 1}) == Sees::none);
  static_assert((causal && within(4)).over({10, 12, 8, 11, 0, 1}) == Sees::all);
  static_assert(Mask<decltype(causal)> && !Mask<int>);
}

TEST_CASE("masks: pairs are counted") {
  CHECK(seen_pairs(causal, 0, 100, 100) == 5050);
  CHECK(seen_pairs(causal && within(3), 97, 3, 100) == 9);
  CHECK(seen_pairs(!causal, 0, 100, 100) == 4950);
  CHECK(seen_pairs(HeadsApart{}, 0, 3, 130, 2) == 130);
}
