// SPDX-License-Identifier: Apache-2.0
// eval(ctx, e) has the shape, the tokens, the element type and the elements of on(ctx, y) = e.
#include <molmo/expr/eval.hpp>
#include <molmo/expr/transpose.hpp>

#include "expr/fixtures.hpp"
#include "support/catch.hpp"

using namespace molmo;
using fixtures::Numbers;

TEST_CASE("eval makes a tensor of the expression's shape") {
  Numbers<float> x(9 * 33, 71), row(33, 72), y(9 * 33);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<33>()) = silu(x.tokens<33>()) + row.fixed<33>();
    const auto made = eval(cpu, silu(x.tokens<33>()) + row.fixed<33>());
    STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(made)>, Tensor<float, dyn, 33>>);
    REQUIRE(made.tokens() == 9);
    CHECK(std::memcmp(made.data(), y.data(), 9 * 33 * sizeof(float)) == 0);
    const auto turned = eval(cpu, transpose(x.fixed<9, 33>()));
    STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(turned)>, Tensor<float, 33, 9>>);
    CHECK(turned(32, 8) == x[8 * 33 + 32]);
    CHECK(eval(cpu, x.tokens<33>().slice(0, 0) * 2).rows() == 0);
  });
}

TEST_CASE("eval: the type of the elements") {
  Numbers<float> x(12, 73);
  Numbers<double> d(12, 74);
  const Reference cpu;
  STATIC_REQUIRE(std::is_same_v<decltype(eval(cpu, x.fixed<12>() + d.fixed<12>())), Tensor<double, 12>>);
  d[5] = 1 + 1e-12;
  CHECK(eval(cpu, d.fixed<12>() * 1)[5] == 1 + 1e-12);
  const auto rounded = eval<bf16>(cpu, x.tokens<3>());
  STATIC_REQUIRE(std::is_same_v<std::remove_const_t<decltype(rounded)>, Tensor<bf16, dyn, 3>>);
  for (index_t i = 0; i < 12; ++i) CHECK(rounded[i] == bf16(x[i]));
}

TEST_CASE("eval of a scalar is a number") {
  Numbers<float> x(1, 75);
  Numbers<double> d(1, 76);
  const Reference cpu;
  STATIC_REQUIRE(std::is_same_v<decltype(eval(cpu, x.fixed<>() * 2)), float>);
  CHECK(eval(cpu, x.fixed<>() * 2) == x[0] * 2);
  STATIC_REQUIRE(std::is_same_v<decltype(eval(cpu, d.fixed<>() * 2)), double>);
  CHECK(eval(cpu, d.fixed<>() * 2) == d[0] * 2);
}

TEST_CASE("eval refuses what an assignment refuses") {
  Numbers<float> a(12, 77), b(9, 78);
  CHECK_THROWS_AS(eval(Reference{}, a.tokens<3>() + b.tokens<3>()), contract_error);
}
