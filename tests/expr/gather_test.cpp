// SPDX-License-Identifier: Apache-2.0
// gather(table, ids): the rows that the ids name, exactly, and nothing where an id names none.
#include <molmo/expr/cast.hpp>
#include <molmo/expr/gather.hpp>
#include <molmo/expr/reduce.hpp>
#include <molmo/expr/remainder.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <string>

using namespace molmo;
using fixtures::has;
using fixtures::Numbers;
using fixtures::refusal;

namespace {

Numbers<std::int32_t> some_ids(index_t n, index_t rows) {
  Numbers<std::int32_t> ids(n);
  for (index_t t = 0; t < n; ++t) ids[t] = static_cast<std::int32_t>((t * 7919 + 3) % rows);
  return ids;
}

template <class T, index_t D>
void check_rows(index_t tokens) {
  constexpr index_t rows = 23;
  Numbers<T> table(rows * D, 71), want(tokens * D), got(tokens * D);
  Numbers<std::int32_t> ids = some_ids(tokens, rows);
  for (index_t t = 0; t < tokens; ++t)
    for (index_t c = 0; c < D; ++c) want[t * D + c] = table[ids[t] * D + c];
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, got.template tokens<D>()) = gather(table.template fixed<rows, D>(), ids.tokens());
    CHECK(got.same_bits(want));
    on(cpu, got.template tokens<D>()) = gather(table.template tokens<D>(), ids.tokens());
    CHECK(got.same_bits(want));
  });
}

}  // namespace

TEST_CASE("gather copies the rows of the ids, bit for bit, for every element type and width") {
  for (const index_t tokens : {1, 2, 17, 900}) {
    check_rows<float, 1>(tokens);
    check_rows<float, 5>(tokens);
    check_rows<float, 16>(tokens);
    check_rows<float, 67>(tokens);
    check_rows<double, 9>(tokens);
    check_rows<bf16, 33>(tokens);
    check_rows<f16, 7>(tokens);
    check_rows<std::int64_t, 19>(tokens);
    check_rows<std::uint8_t, 40>(tokens);
  }
}

TEST_CASE("gather is an operand: sums, columns of single numbers, ids that are calculated") {
  const index_t n = 90;
  Numbers<float> table(11 * 21, 72), places(4 * 21, 73), scale(11, 74), x(n * 21, 75), y(n * 21);
  Numbers<bool> flags(11);
  Numbers<std::int32_t> ids = some_ids(n, 11);
  Numbers<std::int64_t> position(n);
  for (index_t i = 0; i < 11; ++i) flags[i] = i % 3 == 0;
  for (index_t t = 0; t < n; ++t) position[t] = t + (std::int64_t{1} << 40);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<21>()) =
        x.tokens<21>() * gather(scale.fixed<11>(), ids.tokens()) + gather(table.fixed<11, 21>(), ids.tokens()) +
        where(gather(flags.tokens(), ids.tokens()), gather(places.fixed<4, 21>(), position.tokens() % 4), 0);
    index_t wrong = 0;
    for (index_t t = 0; t < n; ++t)
      for (index_t c = 0; c < 21; ++c) {
        const double want = static_cast<double>(x[t * 21 + c]) * static_cast<double>(scale[ids[t]]) +
                            static_cast<double>(table[ids[t] * 21 + c]) +
                            (flags[ids[t]] ? static_cast<double>(places[position[t] % 4 * 21 + c]) : 0.0);
        // Three roundings of numbers below 32.
        wrong += std::fabs(static_cast<double>(y[t * 21 + c]) - want) > 3 * 32 * 0x1p-24;
      }
    CHECK(wrong == 0);
    CHECK(max_of(cpu, gather(scale.fixed<11>(), ids.tokens())) == max_of(cpu, scale.fixed<11>()));
  });
}

TEST_CASE("ids of static length, and a target of one number per token") {
  Numbers<float> table(9 * 3, 76), y(4 * 3), one(6);
  Numbers<std::int8_t> four(4), six(6);
  for (index_t t = 0; t < 4; ++t) four[t] = static_cast<std::int8_t>(8 - 2 * t);
  for (index_t t = 0; t < 6; ++t) six[t] = static_cast<std::int8_t>(t * t % 9);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.fixed<4, 3>()) = gather(table.fixed<9, 3>(), four.fixed<4>());
    for (index_t i = 0; i < 12; ++i) CHECK(y[i] == table[four[i / 3] * 3 + i % 3]);
    on(cpu, one.tokens()) = gather(table.tokens().slice(0, 9), six.tokens()) + 1;
    for (index_t t = 0; t < 6; ++t) CHECK(one[t] == table[six[t]] + 1);
  });
}

TEST_CASE("an id outside the table is refused before anything is written, wherever the gather stands") {
  Numbers<float> table(5 * 8, 77), y(3 * 8, 78), one(3, 79);
  const Numbers<float> before = y;
  Numbers<std::int64_t> ids(3);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    for (const std::int64_t bad : {std::int64_t{5}, std::int64_t{-1}, std::int64_t{1} << 32, INT64_MIN})
      for (const index_t at : {0, 2}) {
        ids[0] = ids[1] = ids[2] = 4;
        ids[at] = bad;
        const auto rows = [&] { return gather(table.fixed<5, 8>(), ids.tokens()); };
        CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = rows(); }), "no row of the table"));
        CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = 1 + 2 * rows(); }), "no row of the table"));
        CHECK(has(refusal([&] { (void)sum(cpu, rows()); }), "no row of the table"));
        CHECK(has(refusal([&] { on(cpu, one.tokens()) = row_sum(rows()); }), "no row of the table"));
        CHECK(y.same_bits(before));
      }
    ids[0] = ids[1] = ids[2] = 4;
    CHECK(refusal([&] { (void)sum(cpu, gather(table.fixed<5, 8>(), ids.tokens())); }) == "");
  });
}

TEST_CASE("a table that overlaps the target is refused, even at the same place; and ids of other lengths") {
  Numbers<float> table(6 * 8, 80);
  const Numbers<float> before = table;
  Numbers<std::int32_t> ids = some_ids(6, 6), three = some_ids(3, 6);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto all = table.tokens<8>();
    CHECK(has(refusal([&] { on(cpu, all) = gather(all, ids.tokens()); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, all.slice(0, 3)) = gather(all.slice(2, 4), three.tokens()); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, all) = all + gather(all, ids.tokens()); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, all.slice(0, 2)) = gather(all.slice(2, 4), three.tokens()); }), "tokens"));
    CHECK(table.same_bits(before));
  });
}

TEST_CASE("gather: no tokens, no rows") {
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<float, Shape<dyn, 8>> none(nullptr, 0);
    const View<std::int32_t, Shape<dyn>> no_ids(nullptr, 0);
    Numbers<float> table(8, 81);
    CHECK(refusal([&] { on(cpu, none) = gather(table.fixed<1, 8>(), no_ids); }) == "");
  });
}

TEST_CASE("a number for each id stands beside the row of its token") {
  Tensor<float, 4> scale;
  Tensor<std::int32_t, dyn> ids{2};
  ids[0] = 0, ids[1] = 3;
  for (index_t i = 0; i < 4; ++i) scale[i] = static_cast<float>(i + 1);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    Tensor<float, dyn, 3> x{2}, y{2};
    on(cpu, x) = x * 0 + 1;
    on(cpu, y) = x * gather(scale, ids);
    for (index_t c = 0; c < 3; ++c) {
      CHECK(y(0, c) == 1);
      CHECK(y(1, c) == 4);
    }
  });
}
