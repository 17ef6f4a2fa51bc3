// SPDX-License-Identifier: Apache-2.0
// a % b: the sign of a, and a itself for b = 0.
#include <molmo/expr/remainder.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

TEST_CASE("the remainder of integers, and a = (a / b) * b + a % b for every b") {
  const index_t n = 51;
  Numbers<std::int32_t> a(n), b(n), rest(n), again(n), slot(n);
  for (index_t i = 0; i < n; ++i) {
    a[i] = static_cast<std::int32_t>((i - 25) * 1'234'567);
    b[i] = static_cast<std::int32_t>(i % 7 - 3) * (i % 2 ? 1 : 1000);
  }
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, rest.tokens()) = a.tokens() % b.tokens();
    on(cpu, again.tokens()) = a.tokens() / b.tokens() * b.tokens() + a.tokens() % b.tokens();
    on(cpu, slot.tokens()) = 100 % (abs(a.tokens()) % 10 + 1);
    for (index_t i = 0; i < n; ++i) {
      CHECK(rest[i] == (b[i] == 0 ? a[i] : a[i] % b[i]));
      CHECK(again[i] == a[i]);
      CHECK(slot[i] == 100 % (std::abs(a[i]) % 10 + 1));
    }
  });
}
