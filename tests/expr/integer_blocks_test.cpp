// SPDX-License-Identifier: Apache-2.0
// Integers in registers give what one of them gives alone, for every number of neighbours that a register has.
#include <molmo/expr/integer_position.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <vector>

using namespace molmo;
using detail::Integers;

namespace {

template <int N>
void check_operations() {
  molmo_test::Random random(111);
  const std::int64_t edges[] = {0, -1, 1, INT64_MIN, INT64_MAX};
  for (int round = 0; round < 200; ++round) {
    std::int64_t a[N], b[N], sum[N];
    for (int i = 0; i < N; ++i) {
      a[i] = random.between(0, 3) ? static_cast<std::int64_t>(random.bits()) : edges[random.between(0, 4)];
      b[i] = random.between(0, 3) ? static_cast<std::int64_t>(random.bits()) >> 40 : edges[random.between(0, 4)];
      if (round % 3 == 0 && i % 2) b[i] = a[i];
    }
    const auto x = Integers<N>::load(a), y = Integers<N>::load(b);
    (x + y).store(sum);
    const auto difference = x - y, product = x * y, ratio = x / y, rest = x % y, negative = -x, size = abs(x);
    const auto high = larger(x, y), low = smaller(x, y), counted = Integers<N>::count_from(a[0] >> 8);
    const auto less = x < y, at_most = x <= y, equal = x == y, unequal = x != y;
    bool chosen[N];
    for (int i = 0; i < N; ++i) chosen[i] = less[i];
    const auto one_of = Integers<N>::chosen(chosen, x, y);
    int wrong = 0;
    for (int i = 0; i < N; ++i) {
      const auto p = Integers<1>::broadcast(a[i]), q = Integers<1>::broadcast(b[i]);
      wrong += sum[i] != (p + q)[0] || difference[i] != (p - q)[0] || product[i] != (p * q)[0];
      wrong += ratio[i] != (p / q)[0] || rest[i] != (p % q)[0] || negative[i] != (-p)[0] || size[i] != abs(p)[0];
      wrong += high[i] != larger(p, q)[0] || low[i] != smaller(p, q)[0] || counted[i] != (a[0] >> 8) + i;
      wrong += less[i] != (a[i] < b[i]) || at_most[i] != (a[i] <= b[i]) || equal[i] != (a[i] == b[i]);
      wrong += unequal[i] != (a[i] != b[i]) || one_of[i] != (a[i] < b[i] ? a[i] : b[i]);
    }
    CHECK(wrong == 0);
  }
}

template <class T, int N>
void check_memory() {
  molmo_test::Random random(112);
  for (int count = 0; count <= N; ++count) {
    std::vector<T> x(static_cast<std::size_t>(count == 0 ? N : count)), y(x.size(), T{77});
    for (T& e : x) e = static_cast<T>(random.bits());
    const auto value = count == 0 ? Integers<N>::load(x.data()) : Integers<N>::load(x.data(), count);
    if (count == 0)
      value.store(y.data());
    else
      value.store(y.data(), count);
    CHECK(x == y);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(value[static_cast<int>(i)] == static_cast<std::int64_t>(x[i]));
    for (int i = count; count != 0 && i < N; ++i) CHECK(value[i] == 0);
  }
}

}  // namespace

TEST_CASE("operations on 2, 4, 8 and 16 neighbours are those of one") {
  check_operations<2>();
  check_operations<4>();
  check_operations<8>();
  check_operations<16>();
}

TEST_CASE("elements of every width are widened and narrowed, and nothing beyond them is touched") {
  check_memory<std::int8_t, 16>();
  check_memory<std::uint8_t, 8>();
  check_memory<std::int16_t, 4>();
  check_memory<std::int32_t, 16>();
  check_memory<std::int64_t, 8>();
}
