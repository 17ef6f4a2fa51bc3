// SPDX-License-Identifier: Apache-2.0
// transpose(x) reads element (c, r) at (r, c), exactly, beside other operands and in matrices of every element type.
#include <molmo/expr/transpose.hpp>
#include <molmo/expr/where.hpp>

#include "expr/fixtures.hpp"
#include "support/catch.hpp"

#include <molmo/expr/reduce.hpp>

using namespace molmo;
using fixtures::Numbers;

TEST_CASE("a static matrix, transposed, alone and in an expression") {
  const auto check = [&]<class T>(T) {
    Numbers<T> w(37 * 19, 61), y(37 * 19), row(37, 62);
    STATIC_REQUIRE(std::is_same_v<typename decltype(transpose(w.template fixed<37, 19>()))::shape, Shape<19, 37>>);
    fixtures::for_each_backend([&](const auto& cpu) {
      on(cpu, y.template fixed<19, 37>()) = transpose(w.template fixed<37, 19>());
      for (index_t r = 0; r < 19; ++r)
        for (index_t c = 0; c < 37; ++c) REQUIRE(y[r * 37 + c] == w[c * 19 + r]);
      on(cpu, y.template fixed<19, 37>()) = 2 * transpose(w.template fixed<37, 19>()) - row.template fixed<37>();
      for (index_t r = 0; r < 19; ++r)
        for (index_t c = 0; c < 37; ++c)
          REQUIRE(static_cast<float>(y[r * 37 + c]) ==
                  static_cast<float>(T(2 * static_cast<float>(w[c * 19 + r]) - static_cast<float>(row[c]))));
    });
  };
  check(float{});
  check(bf16{});
  check(f16{});
}

TEST_CASE("doubles stay doubles") {
  Numbers<double> w(6, 63), y(6);
  w[4] = 1 + 1e-12;
  on(Reference{}, y.fixed<2, 3>()) = transpose(w.fixed<3, 2>());
  for (index_t i = 0; i < 6; ++i) CHECK(y[i] == w[i % 3 * 2 + i / 3]);
}

TEST_CASE("the last two axes of every token; of slices; a column of columns") {
  Numbers<float> x(6 * 40, 64), y(6 * 12);
  const auto part = heads<3>(columns<5, 12>(x.tokens<40>()));  // [n, 3, 4]
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<4, 3>()) = transpose(part);
    for (index_t t = 0; t < 6; ++t)
      for (index_t a = 0; a < 4; ++a)
        for (index_t b = 0; b < 3; ++b) REQUIRE(y[(t * 4 + a) * 3 + b] == x[t * 40 + 5 + b * 4 + a]);
    // The same matrix beside every token.
    on(cpu, y.tokens<4, 3>()) = transpose(part) + transpose(x.fixed<3, 4>());
    for (index_t t = 0; t < 6; ++t)
      for (index_t a = 0; a < 4; ++a)
        for (index_t b = 0; b < 3; ++b) REQUIRE(y[(t * 4 + a) * 3 + b] == x[t * 40 + 5 + b * 4 + a] + x[b * 4 + a]);
    CHECK(max_of(cpu, transpose(part)) == max_of(cpu, part));
  });
}

TEST_CASE("a matrix cannot be transposed in place") {
  Numbers<float> x(16, 65);
  const Numbers<float> before = x;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    CHECK_THROWS_AS((on(cpu, x.fixed<4, 4>()) = transpose(x.fixed<4, 4>())), contract_error);
    CHECK_THROWS_AS((on(cpu, x.fixed<4, 4>()) += transpose(x.fixed<4, 4>())), contract_error);
  });
  CHECK(x.same_bits(before));
}

TEST_CASE("integers and truth, transposed, in slices and spread, are exact") {
  constexpr std::int64_t beyond = (std::int64_t{1} << 60) + 1;
  Tensor<std::int64_t, 5, 19> ids, sums;
  Tensor<bool, 5, 19> flags, both;
  for (index_t i = 0; i < ids.size(); ++i) ids[i] = beyond + i, flags[i] = i % 3 == 0;
  Tensor<std::int64_t, 19, 5> turned;
  Tensor<bool, 19, 5> turned_flags;
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, turned) = transpose(ids) + 1;
    on(cpu, turned_flags) = transpose(flags);
    for (index_t r = 0; r < 19; ++r)
      for (index_t c = 0; c < 5; ++c) {
        REQUIRE(turned(r, c) == ids(c, r) + 1);
        REQUIRE(turned_flags(r, c) == flags(c, r));
      }
    on(cpu, sums) = ids + columns<3, 1>(ids);  // one number per row, 19 apart
    for (index_t i = 0; i < sums.size(); ++i) REQUIRE(sums[i] == ids[i] + ids(i / 19, 3));
    on(cpu, both) = flags && columns<0, 1>(flags);
    on(cpu, columns<17, 2>(both)) = !columns<17, 2>(flags);
    for (index_t r = 0; r < 5; ++r)
      for (index_t c = 0; c < 19; ++c) REQUIRE(both(r, c) == (c < 17 ? flags(r, c) && flags(r, 0) : !flags(r, c)));
  });
}

namespace foreign {

struct Matrix {};
template <class M>
int transpose(const M&) {
  return 8;
}

}  // namespace foreign

TEST_CASE("a transpose of others keeps its name") {
  foreign::Matrix m;
  CHECK(transpose(m) == 8);
}
