// SPDX-License-Identifier: Apache-2.0
// The contract of expressions: small, trivially copyable, and opting in.
#include <molmo/expr/concepts.hpp>

#include <molmo/expr/reduce.hpp>
#include <molmo/expr/token_reduce.hpp>

#include "support/catch.hpp"

using namespace molmo;

namespace {

using Wide = View<const float, Shape<4096>>;
using Tokens = View<const float, Shape<dyn, 4096>>;

// An operand of one's own: the number of the column. What it takes is what the contract says.
struct Columns {
  using shape = Shape<8>;
  static constexpr bool pointwise = true;
  [[nodiscard]] static constexpr index_t tokens() { return -1; }
  template <class At>
  typename At::value eval(const At& at) const {
    return at.splat(static_cast<float>(at.col));
  }
  template <class Root>
  [[nodiscard]] constexpr Columns erased() const {
    return *this;
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

}  // namespace

template <>
inline constexpr bool molmo::enable_expr<Columns> = true;

TEST_CASE("expression objects are trivially copyable and as small as their operands") {
  const auto check = [](auto e, std::size_t bytes) {
    using E = decltype(e);
    STATIC_REQUIRE(std::is_trivially_copyable_v<E>);
    STATIC_REQUIRE(Expr<E>);
    CHECK(sizeof(E) == bytes);
  };
  const Wide a, b, c;
  const Tokens t, u;
  check(leaf(a), 8);
  check(a + b, 16);
  check(a + silu(b) * c, 24);
  check(t + silu(u) * a, 16 + 16 + 8);
  check(exp(tanh(gelu(a))), 8);
  check(a * 2.0f, 16);
  check(leaf(3.0f), 4);
  check(max(a, b) - min(a, c), 32);
}

TEST_CASE("an erased expression has run-time widths and stays small") {
  const Tokens t, u;
  const Wide w;
  const View<const float, Shape<dyn>> column;
  const auto e = (t + silu(u) * w) * column;
  const auto flat = e.erased<Shape<dyn, 4096>>();
  STATIC_REQUIRE(std::is_trivially_copyable_v<decltype(flat)>);
  CHECK(sizeof(flat) == 4 * 16);
  // The same kernel for every width.
  const View<const float, Shape<dyn, 64>> narrow;
  const View<const float, Shape<64>> row;
  const auto other = (narrow + silu(narrow) * row) * column;
  STATIC_REQUIRE(std::is_same_v<decltype(other.erased<Shape<dyn, 64>>()), std::remove_const_t<decltype(flat)>>);
}

TEST_CASE("what is an operand and what is not") {
  STATIC_REQUIRE(Expr<Acc>);
  STATIC_REQUIRE(Expr<Leaf<float, Shape<4>, Host>>);
  STATIC_REQUIRE(Operand<float>);
  STATIC_REQUIRE(Operand<int>);
  STATIC_REQUIRE(Shaped<Wide>);
  STATIC_REQUIRE(Shaped<Tensor<float, 4>&>);
  STATIC_REQUIRE_FALSE(Shaped<float>);
  STATIC_REQUIRE_FALSE(Operand<const char*>);
  STATIC_REQUIRE_FALSE(Expr<Reference>);
  STATIC_REQUIRE_FALSE(OperandPair<float, double>);
  STATIC_REQUIRE(Statement<decltype(token_sum(std::declval<Tokens>()))>);
  STATIC_REQUIRE(Expr<decltype(row_sum(std::declval<Tokens>()))>);
  STATIC_REQUIRE_FALSE(Statement<Wide>);
}

TEST_CASE("a user's own operand joins in without a base class") {
  Tensor<float, 8> y, x;
  for (index_t i = 0; i < 8; ++i) x[i] = 100;
  on(Reference{}, y) = x + Columns{} * 2;
  for (index_t i = 0; i < 8; ++i) CHECK(y[i] == static_cast<float>(100 + 2 * i));
}

TEST_CASE("positions: a number converts to the type of the calculation") {
  const bf16 b(1.5f);
  CHECK(ScalarAt<double>{}.load(&b) == 1.5);
  CHECK(ScalarAt<float>{}.splat(0.1) == 0.1f);
  CHECK(ScalarAt<double>{}.splat(0.1) == 0.1);
}
