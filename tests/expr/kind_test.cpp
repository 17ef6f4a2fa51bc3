// SPDX-License-Identifier: Apache-2.0
// Which kind an expression is of, and what its parts are read as.
#include <molmo/expr/cast.hpp>
#include <molmo/expr/cost.hpp>
#include <molmo/expr/formula.hpp>
#include <molmo/expr/kind.hpp>
#include <molmo/expr/position.hpp>
#include <molmo/expr/reduce.hpp>
#include <molmo/expr/remainder.hpp>

#include "support/catch.hpp"

using namespace molmo;

namespace {
using Reals = View<const float, Shape<4>>;
using Ids = View<const int, Shape<4>>;
using Flags = View<const bool, Shape<4>>;
using At = ScalarAt<float>;

template <class E>
constexpr NumberKind kind(const E&) {
  return kind_of<E>;
}
}  // namespace

TEST_CASE("kinds follow the elements; literals take the kind of what stands beside them") {
  const Reals x;
  const Ids ids;
  const Flags flags;
  CHECK(kind(leaf(x)) == NumberKind::real);
  CHECK(kind(leaf(ids)) == NumberKind::integer);
  CHECK(kind(leaf(flags)) == NumberKind::boolean);
  CHECK(kind(leaf(2)) == NumberKind::literal);
  CHECK(kind(leaf(2.0)) == NumberKind::real);
  CHECK(kind(leaf(true)) == NumberKind::literal);
  CHECK(kind(x + 1) == NumberKind::real);
  CHECK(kind(ids + 1) == NumberKind::integer);
  CHECK(kind(leaf(3) + leaf(4)) == NumberKind::literal);
  CHECK(kind(1 < x) == NumberKind::boolean);
  CHECK(kind(!flags && ids == 3) == NumberKind::boolean);
  CHECK(kind(where(ids == 3, x, 0)) == NumberKind::real);
  CHECK(kind(where(x < 0, ids, 0)) == NumberKind::integer);
  CHECK(kind(where(flags, 1, 0)) == NumberKind::literal);
  CHECK(kind(where(flags, x < 1, true)) == NumberKind::boolean);
  CHECK(kind(cast<std::int8_t>(x)) == NumberKind::integer);
  CHECK(kind(cast<bf16>(ids)) == NumberKind::real);
  CHECK(kind(row_index - column_index) == NumberKind::integer);
  CHECK(kind(acc > 0) == NumberKind::boolean);
  CHECK(kind(map([](auto v) { return v; }, x)) == NumberKind::real);
}

TEST_CASE("operands are read at positions of their kind, whatever the pass is") {
  const float numbers[] = {1.5f, -2, 3, 4};
  const int whole[] = {(1 << 24) + 1, 7, -8, 9};
  const auto x = leaf(View<const float, Shape<4>>(numbers));
  const auto ids = leaf(View<const int, Shape<4>>(whole));
  const At at{0, 0};
  const detail::IntegerAt<At> integer_at{at};
  STATIC_REQUIRE(std::is_same_v<decltype((x < 2).eval(at)), bool>);
  STATIC_REQUIRE(std::is_same_v<decltype((x < 2).eval(integer_at)), bool>);
  STATIC_REQUIRE(std::is_same_v<decltype((ids + 1).eval(integer_at)), detail::Integers<1>>);
  STATIC_REQUIRE(std::is_same_v<decltype((x + 1).eval(at)), float>);
  CHECK((ids == (1 << 24) + 1).eval(at));
  CHECK_FALSE((ids == 1 << 24).eval(at));  // equal as floats
  CHECK((ids * ids).eval(integer_at)[0] == std::int64_t{16777217} * 16777217);
  CHECK(cast<float>(ids - (1 << 24)).eval(at) == 1);
  CHECK((cast<int>(x) + ids).eval(integer_at)[0] == (1 << 24) + 2);
}

TEST_CASE("formulas and costs of conditions, casts and positions") {
  const float numbers[] = {1, 2, 3, 4};
  const int whole[] = {1, 2, 3, 4};
  const View<const float, Shape<4>> x(numbers);
  const View<const int, Shape<4>> ids(whole);
  CHECK(formula(where(x > 2 && !(ids == 3), x, 0)) == "where(2 < x0 && !(x1 == 3), x0, 0)");
  CHECK(formula(cast<float>(ids % 2 + 1) * x) == "cast<float>(x0 % 2 + 1) * x1");
  CHECK(formula(column_index <= row_index) == "column_index <= row_index");
  CHECK(cost(where(x > 2, x * x, 0)).flops == 12);  // a comparison, a product and a choice for each of four
}

TEST_CASE("a number of a C++ type that has no sign keeps its value beside reals and wraps beside integers") {
  const float one[] = {1};
  const std::int64_t most[] = {-1};
  const auto x = leaf(View<const float, Shape<1>>(one));
  const auto ids = leaf(View<const std::int64_t, Shape<1>>(most));
  const std::uint64_t all_ones = ~std::uint64_t{0};
  CHECK((x * all_ones).eval(At{}) == 0x1p64f);
  CHECK((ids == all_ones).eval(At{}));
}
