// SPDX-License-Identifier: Apache-2.0
// apart(a, b) against a map of every byte: it never says "apart" of views that share one, and is exact where the rows of
// both are as far apart.
#include <molmo/core/dtype.hpp>
#include <molmo/core/overlap.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <vector>

using namespace molmo;

namespace {

std::vector<float> memory(4096);

template <class V>
std::vector<bool> bytes_of(const V& v) {
  std::vector<bool> used(memory.size() * sizeof(float), false);
  const auto* first = reinterpret_cast<const char*>(memory.data());
  for (index_t r = 0; r < v.rows(); ++r)
    for (index_t c = 0; c < v.cols(); ++c) {
      const auto at = static_cast<std::size_t>(reinterpret_cast<const char*>(&v(r, c)) - first);
      for (std::size_t i = 0; i < sizeof(*v.data); ++i) used[at + i] = true;
    }
  return used;
}
template <class A, class B>
bool share_a_byte(const A& a, const B& b) {
  const std::vector<bool> x = bytes_of(a), y = bytes_of(b);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] && y[i]) return true;
  return false;
}

// A view of random place, of tokens that lie `outer` apart.
template <class S, index_t Stride, class T = float>
View<T, S, Host, Stride, dyn> anywhere(molmo_test::Random& random, index_t outer) {
  return {reinterpret_cast<T*>(memory.data()) + random.between(0, 600), random.between(0, 9), outer};
}
template <class S>
View<float, S, Host, dyn> rows_anywhere(molmo_test::Random& random, index_t outer) {
  return anywhere<S, dyn>(random, outer);
}

struct Count {
  int together = 0, apart = 0, too_careful = 0;
};
template <class A, class B>
void compare(const A& a, const B& b, Count& count) {
  const bool meet = share_a_byte(a, b), said = detail::apart(a, b);
  REQUIRE_FALSE((meet && said));
  REQUIRE(detail::apart(b, a) == said);
  ++(meet ? count.together : said ? count.apart : count.too_careful);
}

}  // namespace

TEST_CASE("rows as far apart: overlaps are found exactly") {
  molmo_test::Random random(1);
  Count count;
  for (int i = 0; i < 4000; ++i) {
    const index_t outer = random.between(12, 40);
    compare(rows_anywhere<Shape<dyn, 4>>(random, outer), rows_anywhere<Shape<dyn, 7>>(random, outer), count);
  }
  CHECK(count.together > 300);
  CHECK(count.apart > 300);
  CHECK(count.too_careful == 0);
}

TEST_CASE("heads, tokens of other distances and other elements: never taken for apart") {
  molmo_test::Random random(2);
  Count count;
  for (int i = 0; i < 3000; ++i) {
    const index_t outer = 8 * random.between(3, 6);
    compare(anywhere<Shape<dyn, 3, 4>, 8>(random, outer), rows_anywhere<Shape<dyn, 5>>(random, outer), count);
    compare(anywhere<Shape<dyn, 3, 4>, 8>(random, outer), anywhere<Shape<dyn, 2, 2>, 4>(random, 2 * outer), count);
    compare(rows_anywhere<Shape<dyn, 3>>(random, random.between(3, 30)),
            rows_anywhere<Shape<dyn, 2>>(random, random.between(2, 30)), count);
    compare(anywhere<Shape<dyn, 4>, dyn, bf16>(random, outer), anywhere<Shape<dyn, 2>, dyn, double>(random, outer),
            count);
  }
  CHECK(count.together > 300);
  CHECK(count.apart > 300);
}

TEST_CASE("two column slices of one tensor are apart, shifted ones are not") {
  float* const p = memory.data();
  using Four = View<float, Shape<dyn, 4>, Host, 16>;
  CHECK(detail::apart(Four(p, 9), Four(p + 4, 9)));
  CHECK(detail::apart(Four(p + 12, 9), Four(p, 9)));
  CHECK_FALSE(detail::apart(Four(p, 9), Four(p + 3, 9)));
  CHECK_FALSE(detail::apart(Four(p, 9), Four(p + 16, 9)));
  CHECK(detail::apart(Four(p, 9), Four(p + 9 * 16, 9)));
  CHECK_FALSE(detail::apart(Four(p, 9), View<float, Shape<dyn, 16>>(p, 9)));
  CHECK(detail::apart(Four(p, 0), Four(p, 9)));
}

TEST_CASE("heads side by side, and halves of heads, are apart") {
  float* const p = memory.data();
  using Heads = View<float, Shape<dyn, 3, 4>, Host, 4, 40>;
  using Halves = View<float, Shape<dyn, 3, 2>, Host, 4, 40>;
  CHECK(detail::apart(Heads(p, 9), Heads(p + 12, 9)));
  CHECK_FALSE(detail::apart(Heads(p, 9), Heads(p + 8, 9)));
  CHECK(detail::apart(Halves(p, 9), Halves(p + 2, 9)));
  CHECK_FALSE(detail::apart(Halves(p, 9), Halves(p + 1, 9)));
  CHECK(detail::apart(Halves(p, 9), Heads(p + 12, 9)));
  CHECK_FALSE(detail::apart(Halves(p, 9), Heads(p, 9)));
}

TEST_CASE("the same place is the same elements at the same distances") {
  float* const p = memory.data();
  using Late = View<float, Shape<dyn, 4>, Host, dyn>;
  CHECK(detail::same_place(View<float, Shape<dyn, 4>, Host, 16>(p, 9), Late(p, 9, 16)));
  CHECK_FALSE(detail::same_place(View<float, Shape<dyn, 4>, Host, 16>(p, 9), Late(p, 9, 17)));
  CHECK_FALSE(detail::same_place(View<float, Shape<dyn, 4>, Host, 16>(p, 9), View<float, Shape<dyn, 4>>(p, 9)));
}

TEST_CASE("a target's rows do not overlap each other") {
  float* const p = memory.data();
  using Late = View<float, Shape<dyn, 4>, Host, dyn>;
  CHECK(detail::rows_apart(Late(p, 9, 4)));
  CHECK_FALSE(detail::rows_apart(Late(p, 9, 3)));
  CHECK(detail::rows_apart(Late(p, 1, 3)));
  CHECK(detail::rows_apart(View<float, Shape<dyn, 3, 4>, Host, 8, dyn>(p, 2, 20)));
  CHECK_FALSE(detail::rows_apart(View<float, Shape<dyn, 3, 4>, Host, 8, dyn>(p, 2, 19)));
  CHECK_FALSE(detail::rows_apart(View<float, Shape<dyn, 3, 4>, Host, 3>(p, 2)));
}
