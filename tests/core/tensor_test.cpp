// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/dtype.hpp>
#include <molmo/core/tensor.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>

using namespace molmo;

TEST_CASE("a tensor owns zeroed, aligned elements on the heap") {
  Tensor<float, 3, 5> x;
  STATIC_REQUIRE(sizeof(x) <= 64);
  CHECK(x.rows() == 3);
  CHECK(x.cols() == 5);
  CHECK(x.size() == 15);
  CHECK(x.tokens() == 1);
  CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % 64 == 0);
  for (index_t i = 0; i < x.size(); ++i) CHECK(x[i] == 0.0f);
  x(2, 4) = 7;
  CHECK(x[14] == 7);
  const Tensor<float, 3, 5>& c = x;
  CHECK(c(2, 4) == 7);
  CHECK(c.view()(2, 4) == 7);
  x.view()(0, 1) = 3;
  CHECK(c[1] == 3);
}

TEST_CASE("a tensor of tokens") {
  Tensor<bf16, dyn, 4> x(6);
  CHECK(x.tokens() == 6);
  CHECK(x.rows() == 6);
  CHECK(x.size() == 24);
  CHECK(x.view().tokens() == 6);
  Tensor<float, dyn> column(9);
  CHECK(column.size() == 9);
  CHECK(column.cols() == 1);
  Tensor<float, dyn, 8> none(0);
  CHECK(none.size() == 0);
  CHECK(none.view().size() == 0);
}

TEST_CASE("views of lvalues only; conversions to views") {
  using T = Tensor<float, 4>;
  STATIC_REQUIRE(std::is_convertible_v<T&, View<float, Shape<4>>>);
  STATIC_REQUIRE(std::is_convertible_v<const T&, View<const float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<const T&, View<float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<T, View<float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<T, View<const float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<const T, View<const float, Shape<4>>>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<T>);  // copies of weights are asked for, not made
  T x;
  x[3] = 5;
  const View<const float, Shape<4>> v = x;
  CHECK(v[3] == 5);
}

TEST_CASE("a tensor that was moved from is empty") {
  Tensor<float, dyn, 2> x(3);
  Tensor<float, dyn, 2> y = std::move(x);
  CHECK((x.tokens() == 0 && x.rows() == 0 && x.size() == 0 && x.data() == nullptr));  // NOLINT: that is the question
  CHECK((x.view().size() == 0 && y.size() == 6));
  Tensor<float, dyn, 2> z(5);
  z = std::move(y);
  CHECK((y.size() == 0 && y.view().tokens() == 0 && z.size() == 6));
  Tensor<float, dyn, 2>& same = z;
  z = std::move(same);
  CHECK((z.size() == 6 && z.data() != nullptr));

  Tensor<float, 4> a;
  const Tensor<float, 4> b = std::move(a);
  CHECK((a.rows() == 0 && a.size() == 0 && b.size() == 4));
  CHECK_THROWS_AS((void)a.view(), contract_error);
  a = Tensor<float, 4>{};
  CHECK((a.size() == 4 && a.view()[3] == 0));
  CHECK((Tensor<float, 4>::make(0)->size() == 4 && Tensor<float, 4>::make(7)->size() == 4));
}

TEST_CASE("a moved tensor keeps its elements") {
  Tensor<float, dyn, 2> x(3);
  x(2, 1) = 8;
  const float* at = x.data();
  Tensor<float, dyn, 2> y = std::move(x);
  CHECK(y.data() == at);
  CHECK(y(2, 1) == 8);
  Tensor<float, dyn, 2> z(1);
  z = std::move(y);
  CHECK(z.data() == at);
  CHECK(z.tokens() == 3);
}

TEST_CASE("no memory is an error or bad_alloc, and so are sizes that make no sense") {
  constexpr index_t most = std::numeric_limits<index_t>::max();
  using T = Tensor<float, dyn, 4096>;
  for (const index_t tokens : {most, most / 4096, index_t{-1}, std::numeric_limits<index_t>::min()}) {
    const auto made = T::make(tokens);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == errc::out_of_memory);
    CHECK(made.error().message.find(std::to_string(tokens)) != std::string::npos);
    CHECK_THROWS_AS(T(tokens), std::bad_alloc);
  }
  auto good = T::make(2);
  REQUIRE(good);
  CHECK(good->tokens() == 2);
  auto fixed = Tensor<float, 8>::make();
  REQUIRE(fixed);
  CHECK(fixed->size() == 8);
}
