// SPDX-License-Identifier: Apache-2.0
// scatter_add and scatter: in the order of the ids, the same bits for every number of threads.
#include <molmo/expr/cast.hpp>
#include <molmo/expr/remainder.hpp>
#include <molmo/expr/scatter.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <string>

using namespace molmo;
using fixtures::has;
using fixtures::Numbers;
using fixtures::refusal;

namespace {

// y[ids[t]] += x[t] in T's own steps, and the same in double beside it.
template <class T, index_t D>
void check_add(index_t tokens, index_t rows) {
  Numbers<T> y0(rows * D, 91), want(0);
  Numbers<float> x(tokens * D, 92);
  Numbers<std::int32_t> ids(tokens);
  for (index_t t = 0; t < tokens; ++t) ids[t] = static_cast<std::int32_t>(t * t % rows);
  want = y0;
  for (index_t t = 0; t < tokens; ++t)
    for (index_t c = 0; c < D; ++c) {
      T& place = want[ids[t] * D + c];
      place = static_cast<T>(static_cast<compute_t<T>>(place) + static_cast<compute_t<T>>(2 * x[t * D + c]));
    }
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<T> y = y0;
    scatter_add(cpu, y.template tokens<D>(), ids.tokens(), 2 * x.template tokens<D>());
    INFO("tokens = " << tokens << ", D = " << D << ", " << cpu.name);
    CHECK(y.same_bits(want));
  });
}

}  // namespace

TEST_CASE("scatter_add adds row after row: the bits of a plain loop, for any width and number of threads") {
  check_add<float, 1>(40, 7);
  check_add<float, 19>(100, 9);
  check_add<float, 300>(400, 31);
  check_add<double, 21>(50, 4);
  check_add<bf16, 130>(300, 5);
  check_add<f16, 33>(30, 3);
}

TEST_CASE("counts: integers, one number per id, exact") {
  Numbers<std::int64_t> count(6);
  Numbers<std::int32_t> ids(1000);
  for (index_t t = 0; t < 1000; ++t) ids[t] = static_cast<std::int32_t>(t % 5);
  fixtures::for_each_backend([&](const auto& cpu) {
    for (index_t i = 0; i < 6; ++i) count[i] = (std::int64_t{1} << 53) + i;
    scatter_add(cpu, count.fixed<6>(), ids.tokens(), 1);
    for (index_t i = 0; i < 6; ++i) CHECK(count[i] == (std::int64_t{1} << 53) + i + (i < 5 ? 200 : 0));
    scatter_add(cpu, count.tokens(), ids.tokens() % 2, -cast<std::int64_t>(ids.tokens()));
    // 0, 2 and 4 go to place 0, 1 and 3 to place 1: 200 * 6 and 200 * 4 less.
    CHECK(count[0] == (std::int64_t{1} << 53) + 200 - 1200);
    CHECK(count[1] == (std::int64_t{1} << 53) + 201 - 800);
  });
}

TEST_CASE("scatter stores rows, bool and integers too; of equal ids the last stays") {
  Tensor<std::int32_t, dyn> ids(5);
  const std::int32_t places[] = {3, 1, 3, 0, 1};
  for (index_t t = 0; t < 5; ++t) ids[t] = places[t];
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    Tensor<float, 4, 37> y;
    Tensor<float, dyn, 37> x(5);
    Tensor<bool, 4> seen;
    for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    scatter(cpu, y, ids, x);
    scatter(cpu, seen, ids, true);
    for (index_t c = 0; c < 37; ++c) {
      CHECK(y(0, c) == x(3, c));
      CHECK(y(1, c) == x(4, c));
      CHECK(y(2, c) == 0);
      CHECK(y(3, c) == x(2, c));
    }
    CHECK((seen[0] && seen[1] && !seen[2] && seen[3]));
  });
}

TEST_CASE("ids that are no row, operands that overlap and other lengths are refused; nothing is written") {
  Numbers<float> y(6 * 8, 93), x(3 * 8, 94);
  const Numbers<float> before = y;
  Numbers<std::int64_t> ids(3);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto all = y.tokens<8>();
    for (const std::int64_t bad : {std::int64_t{6}, std::int64_t{-1}, INT64_MIN}) {
      ids[0] = 0, ids[1] = 1, ids[2] = bad;
      CHECK(has(refusal([&] { scatter_add(cpu, all, ids.tokens(), x.tokens<8>()); }), "no row of y"));
    }
    ids[2] = 2;
    CHECK(has(refusal([&] { scatter_add(cpu, all, ids.tokens(), all.slice(0, 3)); }), "overlaps"));
    CHECK(has(refusal([&] { scatter_add(cpu, all, ids.tokens(), x.tokens<8>().slice(0, 2)); }), "one row per id"));
    CHECK(y.same_bits(before));
    CHECK(refusal([&] { scatter_add(cpu, all, ids.tokens(), x.tokens<8>() * 0); }) == "");
  });
}
