// SPDX-License-Identifier: Apache-2.0
#include <molmo/expr/leaf.hpp>

#include "support/catch.hpp"

#include <vector>

using namespace molmo;

namespace {
template <class E>
float at(const E& e, index_t row, index_t col) {
  return e.eval(ScalarAt<float>{row, col});
}
}  // namespace

TEST_CASE("leaf makes an operand of a view, a tensor or a number") {
  Tensor<float, 2, 3> x;
  x(1, 2) = 5;
  CHECK(at(leaf(x), 1, 2) == 5);
  CHECK(at(leaf(x.view()), 1, 2) == 5);
  const auto& c = x;
  CHECK(at(leaf(c), 1, 2) == 5);
  CHECK(at(leaf(3), 9, 9) == 3);
  STATIC_REQUIRE(std::is_same_v<decltype(leaf(3)), Scalar<std::int64_t>>);  // exact beside doubles and integers
  STATIC_REQUIRE(std::is_same_v<decltype(leaf(3.0f)), Scalar<float>>);
  STATIC_REQUIRE(std::is_same_v<decltype(leaf(3.0)), Scalar<double>>);
  STATIC_REQUIRE(std::is_same_v<decltype(leaf(leaf(x))), decltype(leaf(x))>);
  STATIC_REQUIRE(std::is_same_v<leaf_t<Tensor<float, 4>&>, Leaf<float, Shape<4>, Host>>);
  STATIC_REQUIRE(std::is_same_v<leaf_t<const Tensor<float, 4>&>, Leaf<float, Shape<4>, Host>>);
}

TEST_CASE("tokens of leaves: the length, or none") {
  std::vector<float> x(12);
  CHECK(leaf(View<float, Shape<dyn, 4>>(x.data(), 3)).tokens() == 3);
  CHECK(leaf(View<float, Shape<12>>(x.data())).tokens() == -1);
  CHECK(leaf(1).tokens() == -1);
  CHECK(acc.tokens() == -1);
}

TEST_CASE("an erased leaf spreads as its shape beside the root says") {
  std::vector<float> x(12);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  using Root = Shape<dyn, 4>;
  const auto full = leaf(View<float, Root>(x.data(), 3)).erased<Root>();
  const auto row = leaf(View<float, Shape<4>>(x.data())).erased<Root>();
  const auto column = leaf(View<float, Shape<dyn>>(x.data(), 3)).erased<Root>();
  STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(full)>, Strided<float, Spread::full>>);
  STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(row)>, Strided<float, Spread::row>>);
  STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(column)>, Strided<float, Spread::column>>);
  CHECK(at(full, 2, 3) == 11);
  CHECK(at(row, 2, 3) == 3);
  CHECK(at(column, 2, 3) == 2);
  // Alone they are full.
  const auto alone = leaf(View<float, Shape<dyn>>(x.data(), 12)).erased<Shape<dyn>>();
  CHECK(at(alone, 7, 0) == 7);
  CHECK(at(alone, 0, 7) == 7);
  CHECK(at(leaf(View<float, Shape<4>>(x.data())).erased<Shape<4>>(), 0, 3) == 3);
}

TEST_CASE("each_leaf visits what lies in memory; acc is what the matmul is about to store") {
  std::vector<float> x(4);
  int leaves = 0;
  leaf(View<float, Shape<4>>(x.data())).each_leaf([&](const auto& l) {
    ++leaves;
    CHECK(l.view.data == x.data());
  });
  leaf(2).each_leaf([&](const auto&) { ++leaves; });
  acc.each_leaf([&](const auto&) { ++leaves; });
  CHECK(leaves == 1);
  CHECK(acc.eval(ScalarAt<float>{0, 0, 2.5f}) == 2.5f);
}
