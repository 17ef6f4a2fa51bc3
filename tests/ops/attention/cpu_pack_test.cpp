// SPDX-License-Identifier: Apache-2.0
// Packed tiles of keys and values, and the look for what is not finite, for every width and count around a panel.
#include <molmo/cpu.hpp>
#include <molmo/ops/attention/cpu_pack.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"

#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

}  // namespace

TEST_CASE("packing keys: panels of 16 keys side by side, and nothing beyond the last key is touched") {
  Random random(1);
  for (index_t width = 1; width <= 21; ++width)
    for (index_t count = 1; count <= 37; ++count) {
      const index_t distance = width + 3;
      const std::vector<float> rows = random.numbers((count - 1) * distance + width);
      std::vector<float> packed(at(kv_room(count) * width), -7.0f), want(packed);
      molmo::detail::pack_keys(rows.data(), distance, width, count, packed.data());
      for (index_t j = 0; j < count; ++j)
        for (index_t i = 0; i < width; ++i) want[at(j / 16 * 16 * width + i * 16 + j % 16)] = rows[at(j * distance + i)];
      REQUIRE_SAME_BITS(packed, want);
    }
}

TEST_CASE("copying values: rows with room for whole registers") {
  Random random(2);
  const std::vector<float> rows = random.numbers(4 * 9 + 5);
  std::vector<float> copied(5 * 16, -7.0f), want(copied);
  molmo::detail::copy_values(rows.data(), 9, 5, 5, copied.data(), 16);
  for (index_t j = 0; j < 5; ++j)
    for (index_t i = 0; i < 5; ++i) want[at(j * 16 + i)] = rows[at(j * 9 + i)];
  REQUIRE_SAME_BITS(copied, want);
}

namespace {

template <class V, class E>
void check_finite() {
  using molmo::detail::are_finite;
  for (const index_t width : {1, 8, 16, 19, 64})
    for (const index_t keys : {1, 5, 16, 33}) {
      const index_t distance = width + 4;
      std::vector<E> rows(at(keys * distance), E(std::numeric_limits<float>::quiet_NaN()));  // the gaps do not matter
      for (index_t j = 0; j < keys; ++j)
        for (index_t i = 0; i < width; ++i) rows[at(j * distance + i)] = E(static_cast<float>(i - j) * 100);
      const auto* bytes = reinterpret_cast<const std::byte*>(rows.data());
      REQUIRE(are_finite<V, E>(bytes, distance, width, keys, false));
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
        for (const index_t j : {index_t{0}, keys - 1})
          for (const index_t i : {index_t{0}, width - 1}) {
            const E kept = rows[at(j * distance + i)];
            rows[at(j * distance + i)] = E(bad);
            REQUIRE_FALSE(are_finite<V, E>(bytes, distance, width, keys, false));
            rows[at(j * distance + i)] = kept;
          }
      std::vector<E> panels(at(kv_room(keys) * width), E(std::numeric_limits<float>::quiet_NaN()));
      const auto place = [&](index_t j, index_t i) { return at(j / 16 * 16 * width + i * 16 + j % 16); };
      for (index_t j = 0; j < keys; ++j)
        for (index_t i = 0; i < width; ++i) panels[place(j, i)] = E(static_cast<float>(i));
      const auto* in_panels = reinterpret_cast<const std::byte*>(panels.data());
      REQUIRE(are_finite<V, E>(in_panels, width, width, keys, true));
      panels[place(keys - 1, width - 1)] = E(std::numeric_limits<float>::infinity());
      REQUIRE_FALSE(are_finite<V, E>(in_panels, width, width, keys, true));
    }
}

}  // namespace

TEST_CASE("values are looked through: every place, every format, rows and panels") {
  check_finite<Lanes<>, float>();
  check_finite<Lanes<>, bf16>();
  check_finite<Lanes<>, f16>();
  check_finite<Lanes<xsimd::sse4_2>, float>();
  const std::int8_t codes[16] = {127, -127};
  CHECK(molmo::detail::are_finite<Lanes<>, std::int8_t>(reinterpret_cast<const std::byte*>(codes), 16, 16, 1, false));
}
