// SPDX-License-Identifier: Apache-2.0
// concat and concat_tokens: every element at its place, whatever the widths.
#include <molmo/expr/cast.hpp>
#include <molmo/expr/concat.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <string>

using namespace molmo;
using fixtures::has;
using fixtures::Numbers;
using fixtures::refusal;

namespace {

template <index_t A, index_t B, class T>
void check_columns(index_t rows) {
  Numbers<float> a(rows * A, 101);
  Numbers<T> b(rows * B, 102), y(rows * (A + B));
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.template tokens<A + B>()) = concat(a.template tokens<A>() * 2, b.template tokens<B>());
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r)
      for (index_t c = 0; c < A + B; ++c)
        wrong += y[r * (A + B) + c] != (c < A ? static_cast<T>(a[r * A + c] * 2) : b[r * B + c - A]);
    INFO(A << " and " << B << " columns, " << rows << " rows, " << cpu.name);
    CHECK(wrong == 0);
  });
}

}  // namespace

TEST_CASE("columns side by side, of any width") {
  for (const index_t rows : {1, 3, 1200}) {
    check_columns<1, 1, float>(rows);
    check_columns<5, 16, float>(rows);
    check_columns<32, 7, bf16>(rows);
    check_columns<17, 40, double>(rows);
  }
}

TEST_CASE("three operands, vectors, static rows, integers and conditions") {
  Tensor<float, 3> a, b;
  Tensor<float, 5> c;
  Tensor<float, 11> y;
  Tensor<std::int64_t, 2, 3> i;
  Tensor<std::int64_t, 2, 6> ii;
  Tensor<bool, 2, 6> flags;
  for (index_t k = 0; k < 3; ++k) a[k] = static_cast<float>(k), b[k] = 10 + a[k];
  for (index_t k = 0; k < 5; ++k) c[k] = 100 + static_cast<float>(k);
  for (index_t k = 0; k < 6; ++k) i[k] = (std::int64_t{1} << 60) + k;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y) = concat(a, c, b);
    const float want[] = {0, 1, 2, 100, 101, 102, 103, 104, 10, 11, 12};
    for (index_t k = 0; k < 11; ++k) CHECK(y[k] == want[k]);
    on(cpu, ii) = concat(i, -i);
    on(cpu, flags) = concat(i == (std::int64_t{1} << 60), i != 0);
    for (index_t r = 0; r < 2; ++r)
      for (index_t k = 0; k < 3; ++k) {
        CHECK(ii(r, k) == i(r, k));
        CHECK(ii(r, 3 + k) == -i(r, k));
        CHECK(flags(r, k) == (r == 0 && k == 0));
        CHECK(flags(r, 3 + k));
      }
  });
}

TEST_CASE("tokens after tokens") {
  Numbers<float> a(3 * 21, 103), b(1 * 21, 104), c(40 * 21, 105), y(44 * 21);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<21>()) = concat_tokens(a.tokens<21>(), -b.tokens<21>(), c.tokens<21>());
    index_t wrong = 0;
    for (index_t k = 0; k < y.size(); ++k) wrong += y[k] != (k < 63 ? a[k] : k < 84 ? -b[k - 63] : c[k - 84]);
    CHECK(wrong == 0);
  });
}

TEST_CASE("an operand that overlaps the target or has other tokens is refused, and nothing is written") {
  Numbers<float> y(4 * 8, 106), a(4 * 4, 107), b(3 * 4, 108);
  const Numbers<float> before = y;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = concat(a.tokens<4>(), y.tokens<4>().slice(0, 4)); }), "overlaps"));
    CHECK(has(refusal([&] { on(cpu, y.tokens<8>()) = concat(a.tokens<4>(), b.tokens<4>()); }), "tokens"));
    CHECK(has(refusal([&] { on(cpu, y.tokens<4>()) = concat_tokens(a.tokens<4>(), b.tokens<4>()); }), "tokens"));
    CHECK(has(
        refusal([&] { on(cpu, y.tokens<4>().slice(0, 7)) = concat_tokens(b.tokens<4>(), y.tokens<4>().slice(0, 4)); }),
        "overlaps"));
    CHECK(y.same_bits(before));
  });
}

TEST_CASE("operands of three axes stand side by side") {
  Numbers<float> a(2 * 6, 109), b(2 * 6, 110);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    Tensor<float, dyn, 2, 3, 2> y{2};
    using Column = View<const float, Shape<dyn, 2, 3, 1>>;
    on(cpu, y) = concat(Column(a.tokens<6>().data, 2), Column(b.tokens<6>().data, 2));
    for (index_t i = 0; i < 12; ++i) {
      CHECK(y[2 * i] == a[i]);
      CHECK(y[2 * i + 1] == b[i]);
    }
  });
}
