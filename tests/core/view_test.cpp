// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/view.hpp>

#include "support/catch.hpp"

#include <numeric>
#include <vector>

using namespace molmo;

TEST_CASE("a view is a pointer, and a length where the shape has tokens") {
  STATIC_REQUIRE(sizeof(View<float, Shape<4096>>) == sizeof(float*));
  STATIC_REQUIRE(sizeof(View<float, Shape<dyn, 4096>>) == sizeof(float*) + sizeof(index_t));
  STATIC_REQUIRE(std::is_trivially_copyable_v<View<const float, Shape<dyn, 4>>>);
  STATIC_REQUIRE(std::is_same_v<View<const float, Shape<4>>::element, float>);
  STATIC_REQUIRE(is_view<View<float, Shape<4>, Device>>);
  STATIC_REQUIRE_FALSE(is_view<float*>);
}

TEST_CASE("a view walks row by row, last axis fastest") {
  std::vector<float> x(24);
  std::iota(x.begin(), x.end(), 0.0f);
  const View<float, Shape<2, 3, 4>> v(x.data());
  CHECK(v.rows() == 6);
  CHECK(v.cols() == 4);
  CHECK(v.size() == 24);
  CHECK(v.tokens() == 1);
  CHECK(v[23] == 23);
  CHECK(v(5, 3) == 23);
  CHECK(v(2, 1) == 9);
  CHECK(v.row(3) == x.data() + 12);
  v(1, 0) = -1;
  CHECK(x[4] == -1);
}

TEST_CASE("tokens, slices, and views of nothing") {
  std::vector<float> x(5 * 6);
  std::iota(x.begin(), x.end(), 0.0f);
  const View<float, Shape<dyn, 2, 3>> v(x.data(), 5);
  CHECK(v.tokens() == 5);
  CHECK(v.rows() == 10);
  CHECK(v.size() == 30);
  const auto s = v.slice(2, 2);
  CHECK(s.tokens() == 2);
  CHECK(s.data == x.data() + 12);
  CHECK(s[0] == 12);
  CHECK(s.slice(1, 1)(1, 2) == 23);
  CHECK(v.slice(5, 0).size() == 0);
  const View<float, Shape<dyn, 8>> none;
  CHECK(none.data == nullptr);
  CHECK(none.size() == 0);
  const View<float, Shape<dyn>> column(x.data(), 7);
  CHECK(column.rows() == 7);
  CHECK(column(6, 0) == 6);
}

TEST_CASE("const may be added, never removed; other shapes and memories do not convert") {
  std::vector<float> x(8, 2.0f);
  const View<float, Shape<dyn, 4>> v(x.data(), 2);
  const View<const float, Shape<dyn, 4>> c = v;
  CHECK(c.data == v.data);
  CHECK(c.tokens() == 2);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<View<const float, Shape<4>>, View<float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<View<float, Shape<4>>, View<float, Shape<8>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<View<float, Shape<4>, Device>, View<const float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<float*, View<float, Shape<4>>>);
}

TEST_CASE("rows may lie apart, and tokens, at distances known now or later") {
  std::vector<float> x(200);
  std::iota(x.begin(), x.end(), 0.0f);
  const View<float, Shape<dyn, 3>, Host, 10> columns(x.data() + 4, 5);  // of rows of 10
  STATIC_REQUIRE(sizeof(columns) == sizeof(View<float, Shape<dyn, 3>>));
  STATIC_REQUIRE_FALSE(columns.dense);
  STATIC_REQUIRE(columns.even);
  CHECK(columns.size() == 15);
  CHECK(columns.stride() == 10);
  CHECK(columns(3, 2) == 36);
  CHECK(columns.slice(2, 2)(1, 0) == 34);

  const View<const float, Shape<dyn, 2, 3>, Host, 3, 10> heads(x.data() + 1, 4);  // two heads of 3 in rows of 10
  STATIC_REQUIRE_FALSE(heads.even);
  CHECK(heads.rows() == 8);
  CHECK(heads.stride() == 3);
  CHECK(heads.outer() == 10);
  CHECK(heads(0, 0) == 1);
  CHECK(heads(1, 2) == 6);
  CHECK(heads(5, 1) == 25);
  CHECK(heads.slice(3, 1)(1, 1) == 35);

  const View<float, Shape<dyn, 3>, Host, dyn> late(x.data(), 5, 20);
  STATIC_REQUIRE(sizeof(late) == sizeof(float*) + 2 * sizeof(index_t));
  CHECK(late.stride() == 20);
  CHECK(late(4, 2) == 82);
  CHECK(late.slice(1, 3)(2, 0) == 60);
  const View<const float, Shape<dyn, 3>, Host, dyn> read = late;
  CHECK(read(4, 2) == 82);
  const View<float, Shape<2, 3>, Host, dyn> fixed(x.data(), 7);
  CHECK(fixed(1, 1) == 8);

  STATIC_REQUIRE(std::is_same_v<View<float, Shape<dyn, 3>>, View<float, Shape<dyn, 3>, Host, 3, 3>>);
  STATIC_REQUIRE(std::is_same_v<View<float, Shape<dyn, 2, 3>>, View<float, Shape<dyn, 2, 3>, Host, 3, 6>>);
  STATIC_REQUIRE(is_view<View<float, Shape<dyn, 3>, Device, 10>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<View<float, Shape<dyn, 3>, Host, 10>, View<float, Shape<dyn, 3>>>);
}
