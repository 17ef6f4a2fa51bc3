// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/shape.hpp>

#include "support/catch.hpp"

using namespace molmo;

TEST_CASE("a shape is rows x cols, the token axis counted as one") {
  STATIC_REQUIRE(Shape<>::rank == 0);
  STATIC_REQUIRE(Shape<>::cols == 1);
  STATIC_REQUIRE(Shape<>::static_rows == 1);
  STATIC_REQUIRE(Shape<4096>::cols == 4096);
  STATIC_REQUIRE(Shape<4096>::static_rows == 1);
  STATIC_REQUIRE(Shape<11008, 4096>::static_rows == 11008);
  STATIC_REQUIRE(Shape<11008, 4096>::cols == 4096);
  STATIC_REQUIRE(Shape<2, 3, 5>::static_rows == 6);
  STATIC_REQUIRE(Shape<2, 3, 5>::cols == 5);
  STATIC_REQUIRE(Shape<2, 3, 5>::rank == 3);
  STATIC_REQUIRE_FALSE(Shape<2, 3, 5>::dynamic);
  STATIC_REQUIRE(Shape<dyn>::rank == 1);
  STATIC_REQUIRE(Shape<dyn>::cols == 1);
  STATIC_REQUIRE(Shape<dyn>::static_rows == 1);
  STATIC_REQUIRE(Shape<dyn, 8>::dynamic);
  STATIC_REQUIRE(Shape<dyn, 8>::static_rows == 1);
  STATIC_REQUIRE(Shape<dyn, 8>::cols == 8);
  STATIC_REQUIRE(Shape<dyn, 4, 8>::static_rows == 4);
  STATIC_REQUIRE(Shape<1>::static_rows == 1);
  STATIC_REQUIRE(Shape<1, 1>::rank == 2);
}

TEST_CASE("elements per token, and what is a shape") {
  STATIC_REQUIRE(elements_per_token<Shape<>> == 1);
  STATIC_REQUIRE(elements_per_token<Shape<dyn>> == 1);
  STATIC_REQUIRE(elements_per_token<Shape<dyn, 4, 8>> == 32);
  STATIC_REQUIRE(elements_per_token<Shape<3, 7>> == 21);
  STATIC_REQUIRE(elements_per_token<Shape<100000, 100000>> == index_t{10'000'000'000});
  STATIC_REQUIRE(is_shape<Shape<dyn, 4>>);
  STATIC_REQUIRE_FALSE(is_shape<int>);
  STATIC_REQUIRE(std::is_signed_v<index_t>);
  STATIC_REQUIRE(std::is_empty_v<Shape<dyn, 4>>);
}
