// SPDX-License-Identifier: Apache-2.0
// Which acc an expression reads, and what becomes of it.
#include <molmo/core/tensor.hpp>
#include <molmo/expr/activations.hpp>
#include <molmo/ops/matmul/epilogue.hpp>

#include "support/catch.hpp"

#include <type_traits>

using namespace molmo;
using namespace molmo::detail;

namespace {

template <class E>
constexpr AccsRead reads(const E&) {
  return accs_read<E>;
}

/// An expression of a user's, of which nothing is known.
struct Columns {
  using shape = Shape<>;
  static constexpr bool pointwise = true;
  static constexpr index_t tokens() { return -1; }
  template <class At>
  typename At::value eval(const At& at) const {
    return at.splat(static_cast<float>(at.col));
  }
  template <class Root>
  constexpr Columns erased() const {
    return {};
  }
  template <class F>
  constexpr void each_leaf(F&&) const {}
};

}  // namespace

template <>
inline constexpr bool molmo::enable_expr<Columns> = true;

TEST_CASE("accs_read: acc, acc0, acc1, ... wherever they stand") {
  Tensor<float, 4> bias;
  const float scale = 2;
  CHECK((reads(acc).own && reads(acc).numbered == 0));
  CHECK(reads(silu(acc0 + bias) * (acc2 - 1)).numbered == 5);
  CHECK_FALSE(reads(acc1 * acc3).own);
  CHECK((reads(acc1 * acc3 + acc).own && reads(acc1 * acc3 + acc).numbered == 10));
  CHECK(reads(map([scale](auto v) { return v * constant<decltype(v)>(static_cast<double>(scale)); }, acc1)).numbered == 2);
  CHECK((!reads(silu(bias) * 2).own && reads(silu(bias) * 2).numbered == 0));
  CHECK(reads(acc + Columns{}).unknown);
  CHECK_FALSE(reads(acc + bias).unknown);
}

TEST_CASE("with_acc: what stands in the place of acc0 and acc1, and what is left alone") {
  const auto joined = with_acc(silu(acc0) * (acc1 + 1), PutJoined<Scalar<float>>{{3}});
  CHECK((accs_read<std::remove_const_t<decltype(joined)>>.own));
  CHECK(accs_read<std::remove_const_t<decltype(joined)>>.numbered == 0);
  CHECK(joined.eval(ScalarAt<float>{0, 0, 4}) == silu(Scalar<float>{3}).eval(ScalarAt<float>{}) * 5);
  const auto own = with_acc(acc1 * 2, PutOwn{});
  CHECK(own.eval(ScalarAt<float>{0, 0, 4}) == 8);
  const auto twice = with_acc(acc + acc, PutFirst<std::remove_const_t<decltype(own)>>{own});
  CHECK(twice.eval(ScalarAt<float>{0, 0, 4}) == 16);
}
