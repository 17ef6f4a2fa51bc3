// SPDX-License-Identifier: Apache-2.0
// row_index, column_index and one_hot: which element of the target is calculated, on every backend and width.
#include <molmo/expr/cast.hpp>
#include <molmo/expr/position.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <cmath>

using namespace molmo;
using fixtures::Numbers;

TEST_CASE("row_index and column_index count the rows and columns of the target") {
  fixtures::for_each_backend([](const auto& cpu) {
    for (const index_t rows : {1, 2, 70, 1500}) {
      Numbers<std::int32_t> y(rows * 37), heads(rows * 40);
      Numbers<std::int64_t> count(rows);
      on(cpu, y.tokens<37>()) = 1000 * row_index + column_index;
      on(cpu, heads.tokens<5, 8>()) = 1000 * row_index + column_index;
      on(cpu, count.tokens()) = row_index;
      index_t wrong = 0;
      for (index_t i = 0; i < y.size(); ++i) wrong += y[i] != 1000 * (i / 37) + i % 37;
      for (index_t i = 0; i < heads.size(); ++i) wrong += heads[i] != 1000 * (i / 8) + i % 8;
      for (index_t i = 0; i < rows; ++i) wrong += count[i] != i;
      INFO("rows = " << rows << ", " << cpu.name);
      CHECK(wrong == 0);
    }
    Tensor<std::int32_t, 41> vector;
    on(cpu, vector) = column_index;
    for (index_t c = 0; c < 41; ++c) CHECK(vector[c] == c);
  });
}

TEST_CASE("a causal mask and a window on a matrix of scores") {
  fixtures::for_each_backend([](const auto& cpu) {
    Numbers<float> scores(300 * 300, 41), y(300 * 300), window(300 * 300);
    on(cpu, y.tokens<300>()) = where(column_index <= row_index, scores.tokens<300>(), -INFINITY);
    on(cpu, window.tokens<300>()) =
        where(column_index <= row_index && row_index - column_index < 17, scores.tokens<300>(), -INFINITY);
    index_t wrong = 0;
    for (index_t r = 0; r < 300; ++r)
      for (index_t c = 0; c < 300; ++c) {
        wrong += y[r * 300 + c] != (c <= r ? scores[r * 300 + c] : -INFINITY);
        wrong += window[r * 300 + c] != (c <= r && r - c < 17 ? scores[r * 300 + c] : -INFINITY);
      }
    CHECK(wrong == 0);
  });
}

TEST_CASE("positions beside operands of the target's own shape are not flattened away") {
  Numbers<float> x(6 * 19, 42), y(6 * 19);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<19>()) = x.tokens<19>() + cast<float>(column_index);
    for (index_t i = 0; i < y.size(); ++i) CHECK(y[i] == x[i] + static_cast<float>(i % 19));
    CHECK(max_of(cpu, cast<float>(column_index) + 0 * x.tokens<19>()) == 18);
  });
}

TEST_CASE("one_hot: true in the column of the id; no column for an id outside") {
  const index_t ids_of[] = {3, 0, 10, -1, 11, 4};
  Numbers<std::int32_t> ids(6);
  for (index_t t = 0; t < 6; ++t) ids[t] = static_cast<std::int32_t>(ids_of[t]);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    Numbers<bool> flags(66);
    Numbers<bf16> ones(66);
    on(cpu, flags.tokens<11>()) = one_hot(ids.tokens());
    on(cpu, ones.tokens<11>()) = cast<float>(one_hot(ids.tokens()));
    for (index_t t = 0; t < 6; ++t)
      for (index_t c = 0; c < 11; ++c) {
        CHECK(flags[t * 11 + c] == (ids_of[t] == c));
        CHECK(static_cast<float>(ones[t * 11 + c]) == (ids_of[t] == c ? 1.0f : 0.0f));
      }
  });
}
