// SPDX-License-Identifier: Apache-2.0
// Every piece of a view holds the elements that its name says, at exact places; ranges are contracts.
#include <molmo/core/tensor.hpp>
#include <molmo/core/views.hpp>

#include "support/catch.hpp"

#include <limits>
#include <numeric>
#include <vector>

using namespace molmo;

namespace {

// Element i is i.
std::vector<float> counted(index_t n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  std::iota(x.begin(), x.end(), 0.0f);
  return x;
}
template <class V, class S>
constexpr bool has_shape = std::is_same_v<typename V::shape, S>;
#define SHAPE_OF(v, ...) STATIC_REQUIRE(has_shape<std::remove_const_t<decltype(v)>, Shape<__VA_ARGS__>>)

}  // namespace

TEST_CASE("columns of rows, of heads and of a vector") {
  auto x = counted(5 * 12);
  const View<float, Shape<dyn, 12>> v(x.data(), 5);
  const auto c = columns<3, 4>(v);
  SHAPE_OF(c, dyn, 4);
  CHECK(c.tokens() == 5);
  for (index_t r = 0; r < 5; ++r)
    for (index_t i = 0; i < 4; ++i) CHECK(c(r, i) == static_cast<float>(12 * r + 3 + i));
  CHECK(columns<2>(v, 10)(4, 1) == 59);
  CHECK(columns<1, 2>(c)(2, 0) == 24 + 4);  // of a slice
  STATIC_REQUIRE(std::is_same_v<decltype(columns<0, 12>(v)), View<float, Shape<dyn, 12>>>);

  const auto second = columns<2, 2>(View<float, Shape<dyn, 3, 4>>(x.data(), 5));  // the second half of each head
  SHAPE_OF(second, dyn, 3, 2);
  for (index_t t = 0; t < 5; ++t)
    for (index_t h = 0; h < 3; ++h) CHECK(second(t * 3 + h, 1) == static_cast<float>(12 * t + 4 * h + 3));

  const auto piece = columns<6, 3>(View<const float, Shape<12>>(x.data()));
  SHAPE_OF(piece, 3);
  CHECK(piece[2] == 8);
  STATIC_REQUIRE(std::is_same_v<decltype(columns<0, 2>(View<float, Shape<4, 12>, Device>(x.data())))::memory, Device>);
}

TEST_CASE("heads of rows, of a column slice and of a vector; one head; and joined again") {
  auto x = counted(4 * 20);
  const auto q = columns<4, 12>(View<float, Shape<dyn, 20>>(x.data(), 4));
  const auto h = heads<3>(q);
  SHAPE_OF(h, dyn, 3, 4);
  for (index_t t = 0; t < 4; ++t)
    for (index_t k = 0; k < 3; ++k)
      for (index_t i = 0; i < 4; ++i) CHECK(h(t * 3 + k, i) == static_cast<float>(20 * t + 4 + 4 * k + i));
  const auto third = head(h, 2);
  SHAPE_OF(third, dyn, 4);
  CHECK(third(3, 1) == 60 + 4 + 8 + 1);
  const auto joined = join_heads(h);
  STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(joined)>, std::remove_const_t<decltype(q)>>);
  CHECK(joined.data == q.data);
  CHECK(joined(3, 11) == q(3, 11));

  const auto of_vector = heads<5>(View<float, Shape<20>>(x.data()));
  SHAPE_OF(of_vector, 5, 4);
  CHECK(of_vector(3, 2) == 14);
  SHAPE_OF(head(of_vector, 1), 4);
  CHECK(head(of_vector, 1)[3] == 7);
  SHAPE_OF(join_heads(of_vector), 20);
  const auto halves = columns<2, 2>(h);  // of the heads of a slice
  CHECK(halves(2 * 3 + 1, 0) == 40 + 4 + 4 + 2);
  CHECK(head(halves, 1)(2, 0) == halves(2 * 3 + 1, 0));
  const auto pairs = heads<2>(h);  // four axes
  SHAPE_OF(pairs, dyn, 3, 2, 2);
  CHECK(pairs(2 * 6 + 5, 1) == 40 + 4 + 11);
  CHECK(head(pairs, 1)(2 * 3 + 2, 0) == 40 + 4 + 10);
}

TEST_CASE("tokens: a slice, every second one, one of them") {
  auto x = counted(7 * 6);
  const View<float, Shape<dyn, 6>> v(x.data(), 7);
  CHECK(slice(v, 2, 3)(2, 5) == 29);
  CHECK(slice(v, 7, 0).rows() == 0);
  const auto odd = every(v, 2, 1);
  CHECK(odd.tokens() == 3);
  CHECK(odd(2, 4) == 5 * 6 + 4);
  CHECK(every(v, 2).tokens() == 4);
  CHECK(every(v, 3, 1).tokens() == 2);
  CHECK(every(v, 10).tokens() == 1);
  CHECK(every(v, 2, 7).tokens() == 0);
  CHECK(every(odd, 2)(1, 0) == 5 * 6);
  CHECK(columns<2, 2>(odd)(1, 1) == 3 * 6 + 3);
  const View<float, Shape<dyn, 2, 3>> h(x.data(), 7);
  CHECK(every(h, 3)(3, 2) == 18 + 5);
  SHAPE_OF(token(h, 4), 2, 3);
  CHECK(token(h, 4)(1, 2) == 29);
  CHECK(token(columns<1, 2>(h), 4)(1, 1) == 29);
  SHAPE_OF(token(v, 4), 6);
  CHECK(token(odd, 2)[5] == 35);
  CHECK(every(View<float, Shape<dyn>>(x.data(), 42), 10)(4, 0) == 40);
  SHAPE_OF((rows<1, 2>(View<float, Shape<4, 3>>(x.data()))), 2, 3);
  CHECK(rows<1, 2>(View<float, Shape<4, 3>>(x.data()))(1, 2) == 8);
}

TEST_CASE("reshape reads the same elements in the same order") {
  auto x = counted(48);
  const View<float, Shape<dyn, 12>> v(x.data(), 4);
  const auto h = reshape<Shape<dyn, 2, 3, 2>>(v);
  CHECK(h.tokens() == 4);
  CHECK(h(3 * 6 + 5, 1) == 47);
  CHECK(reshape<Shape<dyn, 3>>(v).tokens() == 16);
  CHECK(reshape<Shape<dyn, 24>>(v).tokens() == 2);
  CHECK(reshape<Shape<48>>(v)[47] == 47);
  CHECK(reshape<Shape<dyn, 8>>(View<float, Shape<6, 8>>(x.data())).tokens() == 6);
  CHECK(reshape<Shape<dyn>>(v).tokens() == 48);
  CHECK(reshape<Shape<dyn, 1>>(View<float, Shape<dyn>>(x.data(), 5)).tokens() == 5);
  const auto apart = reshape<Shape<dyn, 2, 3>>(columns<6, 6>(v));
  CHECK(apart(2 * 2 + 1, 2) == 24 + 11);
  CHECK(reshape<Shape<dyn, 6>>(apart)(3, 0) == 42);
  CHECK_THROWS_AS((reshape<Shape<dyn, 36>>(v)), contract_error);
  CHECK_THROWS_AS(reshape<Shape<12>>(v), contract_error);
}

TEST_CASE("pieces that are not there are refused") {
  auto x = counted(60);
  const View<float, Shape<dyn, 12>> v(x.data(), 5);
  CHECK_THROWS_AS(columns<4>(v, 9), contract_error);
  CHECK_THROWS_AS(columns<4>(v, -1), contract_error);
  CHECK_THROWS_AS(head(heads<3>(v), 3), contract_error);
  CHECK_THROWS_AS(slice(v, 3, 3), contract_error);
  CHECK_THROWS_AS(slice(v, -1, 1), contract_error);
  CHECK_THROWS_AS(slice(v, 1, -1), contract_error);
  CHECK_THROWS_AS(slice(v, 1, PTRDIFF_MAX), contract_error);
  CHECK_THROWS_AS(token(v, 5), contract_error);
  CHECK_THROWS_AS(every(v, 0), contract_error);
  CHECK_THROWS_AS(every(v, 1, 6), contract_error);
}

TEST_CASE("tensors are cut as their views are") {
  Tensor<float, dyn, 6> x(3);
  columns<2, 2>(x)(2, 1) = 9;
  CHECK(x(2, 3) == 9);
  const auto& read = x;
  STATIC_REQUIRE(std::is_same_v<decltype(heads<2>(read)), View<const float, Shape<dyn, 2, 3>>>);
  CHECK(token(read, 2)[3] == 9);
}

TEST_CASE("positions at the end of the integers are refused, and a step beyond the tokens leads to one") {
  float data[10] = {};
  const View<float, Shape<dyn, 2>> x(data, 5);
  constexpr index_t most = std::numeric_limits<index_t>::max();
  const auto one = every(x, most, 1);
  CHECK(one.tokens() == 1);
  CHECK(one.data == data + 2);
  CHECK(every(x, most, 5).tokens() == 0);
  CHECK(every(x, 5).tokens() == 1);
  CHECK(every(x, 4).tokens() == 2);
  CHECK_THROWS_AS((void)columns<1>(x, most), contract_error);
  CHECK_THROWS_AS((void)slice(x, most, 1), contract_error);
}

namespace foreign {

struct Matrix {};
template <class M>
int head(const M&, int) {
  return 9;
}
template <class M>
int token(const M&, int) {
  return 8;
}

}  // namespace foreign

TEST_CASE("functions of others keep their names") {
  foreign::Matrix m;
  CHECK(head(m, 1) == 9);
  CHECK(token(m, 1) == 8);
}
