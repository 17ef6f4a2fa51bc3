// SPDX-License-Identifier: Apache-2.0
// Softmax and norms of an expression: the bits of two statements, in every type, in place, for any number of threads;
// and what is refused before anything is written.
#include <molmo/core/views.hpp>
#include <molmo/expr/row_statement.hpp>
#include <molmo/ops/layer_norm/layer_norm.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>
#include <molmo/ops/softmax/softmax.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

template <class T, index_t D>
void check_type(index_t rows) {
  Numbers<float> x(rows * D, 91), r(rows * D, 92), row(D, 93), column(rows, 94), w(D, 95), b(D, 96);
  Numbers<T> two(rows * D), one(rows * D), first(3 * rows * D), all(3 * rows * D);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads, " << rows << " x " << D);
    const auto e = x.tokens<D>() * 0.5 + r.tokens<D>() * row.fixed<D>() - column.tokens();
    const auto y = one.template tokens<D>(), z = two.template tokens<D>();
    const auto weight = w.fixed<D>(), bias = b.fixed<D>();
    const auto check = [&](int number, auto statement, auto of_memory) {
      on(cpu, z) = e;
      on(cpu, z) = of_memory;
      on(cpu, y) = statement;
      INFO("statement " << number);
      CHECK(one.same_bits(two));
      for (index_t i = 0; i < one.size(); ++i) all[number * rows * D + i] = one[i];
    };
    check(0, softmax(e), softmax(z));
    check(1, rms_norm(e, weight, 1e-5), rms_norm(z, weight, 1e-5));
    check(2, layer_norm(e, weight, bias, 1e-5), layer_norm(z, weight, bias, 1e-5));
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = all;
      CHECK(all.same_bits(first));
    }
    // The sum of probabilities is 1 to the roundings of a row.
    on(cpu, y) = softmax(e);
    for (index_t i = 0; i < rows; ++i) {
      double total = 0;
      for (index_t c = 0; c < D; ++c) total += static_cast<double>(one[i * D + c]);
      CHECK(total == Approx(1).margin(sizeof(T) == 2 ? 4e-3 : 2e-6));
    }
  });
}

}  // namespace

TEST_CASE("a statement of an expression gives the bits of two statements") {
  check_type<float, 1>(5);
  check_type<float, 33>(17);
  check_type<float, 260>(300);
  check_type<bf16, 47>(9);
  check_type<f16, 130>(260);
  check_type<double, 21>(4);
}

TEST_CASE("the target may be an operand, with a row reduction beside it") {
  constexpr index_t width = 75, rows = 500;
  Numbers<float> x(rows * width, 97), y(rows * width), z(rows * width), w(width, 98);
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<float> in_place = x;
    const auto v = in_place.tokens<width>();
    on(cpu, y.tokens<width>()) = x.tokens<width>() - max_of(x.tokens<width>()) + w.fixed<width>();
    on(cpu, y.tokens<width>()) = softmax(y.tokens<width>());
    on(cpu, v) = softmax(v - max_of(v) + w.fixed<width>());
    CHECK(in_place.same_bits(y));
    on(cpu, z.tokens<width>()) = rms_norm(x.tokens<width>() + y.tokens<width>(), w.fixed<width>(), 1e-6);
    on(cpu, v) = rms_norm(v + x.tokens<width>(), w.fixed<width>(), 1e-6);
    for (index_t i = 0; i < z.size(); ++i) REQUIRE(in_place[i] == z[i]);
  });
}

TEST_CASE("a view of another type than the target is an expression") {
  constexpr index_t width = 40, rows = 6;
  Numbers<bf16> x(rows * width, 99);
  Numbers<float> wide(rows * width), want(rows * width), y(rows * width), w(width, 98);
  for (index_t i = 0; i < x.size(); ++i) wide[i] = static_cast<float>(x[i]);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens<width>()) = softmax(x.tokens<width>());
    on(cpu, want.tokens<width>()) = softmax(wide.tokens<width>());
    CHECK(y.same_bits(want));
    on(cpu, y.tokens<width>()) = rms_norm(x.tokens<width>(), w.fixed<width>(), 1e-5);
    on(cpu, want.tokens<width>()) = rms_norm(wide.tokens<width>(), w.fixed<width>(), 1e-5);
    CHECK(y.same_bits(want));
  });
}

TEST_CASE("rounded() reaches a norm of an expression") {
  constexpr index_t width = 300, rows = 9;
  Numbers<bf16> x(rows * width, 100), y(rows * width), z(rows * width);
  Numbers<float> w(width, 101);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto v = x.tokens<width>();
    for (const NormOrder order : {NormOrder::cast_then_scale, NormOrder::scale_then_cast}) {
      on(cpu, y.tokens<width>()) = rms_norm(v * 1, w.fixed<width>(), 1e-5).rounded(order);
      on(cpu, z.tokens<width>()) = rms_norm(v, w.fixed<width>(), 1e-5).rounded(order);
      CHECK(y.same_bits(z));
    }
    on(cpu, z.tokens<width>()) = rms_norm(v, w.fixed<width>(), 1e-5).rounded(NormOrder::cast_then_scale);
    CHECK_FALSE(y.same_bits(z));  // the two orders differ in bf16
  });
}

TEST_CASE("overlaps and other token counts are refused before anything is written") {
  Numbers<float> x(80, 102), w(8, 103);
  const auto v = x.tokens<8>();
  const Numbers<float> kept = x;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    CHECK_THROWS_AS(on(cpu, v.slice(0, 4)) = softmax(v.slice(1, 4) * 2), contract_error);
    CHECK_THROWS_AS(on(cpu, v.slice(0, 4)) = rms_norm(v.slice(4, 4) + v.slice(3, 4), 1e-5), contract_error);
    CHECK_THROWS_AS(on(cpu, v.slice(0, 4)) = layer_norm(v.slice(4, 5) * 2, 1e-5), contract_error);
    const View<float, Shape<8>> row(x.data() + 16);  // the weight is a row of the target
    CHECK_THROWS_AS(on(cpu, v.slice(0, 4)) = rms_norm(v.slice(4, 4) * 2, row, 1e-5), contract_error);
    CHECK(x.same_bits(kept));
  });
}

TEST_CASE("NaN makes its own row NaN, and a row of -infinity is a row of zeros") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr index_t width = 37;
  Numbers<float> x(3 * width, 104), y(3 * width);
  x[width + 20] = std::numeric_limits<float>::quiet_NaN();
  for (index_t c = 0; c < width; ++c) x[2 * width + c] = -inf;
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    on(cpu, y.tokens<width>()) = softmax(x.tokens<width>() * 2);
    for (index_t c = 0; c < width; ++c) {
      CHECK(std::isfinite(y[c]));
      CHECK(std::isnan(y[width + c]));
      CHECK(y[2 * width + c] == 0);
    }
  });
}

TEST_CASE("rows that lie apart: softmax and norms read and write columns of a wider tensor") {
  constexpr index_t width = 60, rows = 300;
  Numbers<float> x(rows * width, 105), packed(rows * 33), want(rows * 33), w(33, 106), y(rows * width, 107);
  for (index_t i = 0; i < packed.size(); ++i) packed[i] = x[i / 33 * width + 5 + i % 33];
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    const auto piece = columns<5, 33>(x.tokens<width>());
    Numbers<float> got = y;
    const auto target = columns<20, 33>(got.tokens<width>());
    const auto check = [&] {
      index_t wrong = 0;
      for (index_t i = 0; i < got.size(); ++i) {
        const index_t c = i % width - 20;
        wrong += got[i] != (c >= 0 && c < 33 ? want[i / width * 33 + c] : y[i]);
      }
      CHECK(wrong == 0);
    };
    on(cpu, want.tokens<33>()) = softmax(packed.tokens<33>());
    on(cpu, target) = softmax(piece);
    check();
    on(cpu, want.tokens<33>()) = rms_norm(packed.tokens<33>(), w.fixed<33>(), 1e-5);
    on(cpu, target) = rms_norm(packed.tokens<33>(), w.fixed<33>(), 1e-5);
    check();
    on(cpu, target) = rms_norm(piece, w.fixed<33>(), 1e-5);
    check();
    const View<float, Shape<33>> inside(got.data() + 21);
    CHECK_THROWS_AS(on(cpu, target) = layer_norm(piece, inside, 1e-5), contract_error);
  });
}
