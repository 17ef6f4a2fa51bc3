// SPDX-License-Identifier: Apache-2.0
// cost(e) against numbers counted by hand.
#include <molmo/expr/cost.hpp>

#include <molmo/expr/activations.hpp>
#include <molmo/expr/gradient.hpp>
#include <molmo/expr/remainder.hpp>
#include <molmo/expr/where.hpp>

#include "support/catch.hpp"

using namespace molmo;

namespace {

struct Opaque {
  static constexpr int flops = 7;
  float operator()(float x) const { return x; }  // cannot run on numbers that count
};

// Operations of one element.
template <class E>
double flops(const E& e) {
  return cost(e).flops / 6;
}

}  // namespace

TEST_CASE("operations: one for each sign, the documented number for each function") {
  Tensor<float, dyn, 3> x{2}, y{2};
  const View<float, Shape<dyn, 3>> v = x.view(), w = y.view();
  CHECK(cost(x).flops == 0);
  CHECK(flops(v + w) == 1);
  CHECK(flops(v + w * 2 - 1) == 3);
  CHECK(flops(-v / w) == 2);
  CHECK(flops(exp(v)) == flops_of::exp);
  CHECK(flops(pow(v, 2)) == flops_of::pow);
  CHECK(flops(sigmoid(v)) == 3 + flops_of::exp);  // 1 / (1 + exp(-x))
  CHECK(flops(v + silu(w) * v) == 5 + flops_of::exp);
  CHECK(flops(gelu(v)) == 4 + flops_of::erf);  // 0.5 * x * (1 + erf(x * c))
  CHECK(flops(gelu_tanh(v)) == 8 + flops_of::tanh);
  CHECK(flops(softplus(v)) == 4 + flops_of::exp + flops_of::log1p);
  CHECK(flops(clamp(v, -1, 1)) == 2);
  CHECK(flops(max(v, w) + abs(v)) == 3);
  CHECK(flops(sign(v)) == 4);  // two comparisons, two choices
  CHECK(flops(map([](auto a, auto b) { return a * b + a; }, v, w)) == 2);
  const float shift = 3;
  CHECK(flops(map([shift](auto a) { return a * constant<decltype(a)>(shift); }, v)) == 1);
  CHECK(flops(map(Opaque{}, v + w)) == 8);
  CHECK(flops(square(v) + acc) == 2);
  Tensor<std::int32_t, dyn, 3> ids{2};
  CHECK(flops(ids % 4) == 1);
  CHECK(flops(ids % 4 == 0 && !(v < w)) == 5);
  CHECK(flops(gradient(where(v > 0, v, 0), 1, v)) == 5);  // forwards > and a choice; two choices; the sum
  CHECK(flops(gradient(v * w, 1, v)) == 4);               // v w, g w, g v; g w added to the sum
}

TEST_CASE("bytes: every operand once, however often it stands there, and the target once") {
  Tensor<float, dyn, 3> x{2}, y{2};
  Tensor<float, 3> row;
  Tensor<float, dyn> column{2};
  Tensor<bf16, dyn, 3> narrow{2};
  CHECK(cost(x).bytes == 24);
  CHECK(cost(x * x + x).bytes == 24);
  CHECK(cost(x * y).bytes == 48);
  CHECK(cost(x * row + column).bytes == 24 + 12 + 8);
  CHECK(cost(narrow + 1).bytes == 12);
  CHECK(cost(y, x + 1).bytes == 48);
  CHECK(cost(x, x + 1).bytes == 48);  // read and written
  CHECK(cost(narrow, x * narrow).bytes == 24 + 12 + 12);
  CHECK(cost(y.view(), x.view().slice(0, 2) + 1).flops == 6);
  CHECK(cost(x.view().slice(0, 1) * x.view().slice(1, 1)).bytes == 24);
  CHECK(cost(View<float, Shape<dyn, 3>>(nullptr, 0) * 2).flops == 0);
}

TEST_CASE("costs add up") {
  constexpr Cost both = Cost{1, 2} + Cost{10, 20};
  STATIC_REQUIRE(both.flops == 11);
  STATIC_REQUIRE(both.bytes == 22);
}
