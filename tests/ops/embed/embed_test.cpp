// SPDX-License-Identifier: Apache-2.0
// Embedding: rows of the table and of the extra rows behind it, in every format, copied exactly.
#include <molmo/ops/embed/embed.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"

#include <vector>

using namespace molmo;
using namespace molmo_test;

TEMPLATE_TEST_CASE("embed: table, extra rows, repeated ids", "", float, bf16, f16) {
  Random random(1);
  constexpr index_t rows = 7, extra_rows = 3, d = 13;
  std::vector<TestType> table, extra;
  for (index_t i = 0; i < rows * d; ++i) table.push_back(static_cast<TestType>(random.number()));
  for (index_t i = 0; i < extra_rows * d; ++i) extra.push_back(static_cast<TestType>(random.number()));
  const FormatId format = sizeof(TestType) == 4                   ? format_id<F32>
                          : std::is_same_v<TestType, molmo::bf16> ? format_id<Bf16>
                                                                  : format_id<F16>;
  const std::vector<std::int32_t> ids{0, 6, 7, 9, 3, 3, 8};
  std::vector<float> y(ids.size() * d, -1.0f), want;
  embed(Reference{}, ids.data(), static_cast<index_t>(ids.size()), {reinterpret_cast<const std::byte*>(table.data()), format, rows, d},
        {reinterpret_cast<const std::byte*>(extra.data()), format, extra_rows, d}, y.data());
  for (const std::int32_t id : ids)
    for (index_t c = 0; c < d; ++c)
      want.push_back(id < rows ? static_cast<float>(table[static_cast<std::size_t>(id * d + c)])
                               : static_cast<float>(extra[static_cast<std::size_t>((id - rows) * d + c)]));
  REQUIRE_SAME_BITS(y, want);
}

TEST_CASE("embed: the two tables may have two formats") {
  const std::vector<float> table{1, 2};
  const std::vector<bf16> extra{bf16(3.0f), bf16(4.0f)};
  const std::vector<std::int32_t> ids{1, 0};
  float y[4];
  embed(Reference{}, ids.data(), 2, {reinterpret_cast<const std::byte*>(table.data()), format_id<F32>, 1, 2},
        {reinterpret_cast<const std::byte*>(extra.data()), format_id<Bf16>, 1, 2}, y);
  CHECK((y[0] == 3 && y[1] == 4 && y[2] == 1 && y[3] == 2));
}
