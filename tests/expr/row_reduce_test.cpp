// SPDX-License-Identifier: Apache-2.0
// Row reductions as operands against plain loops in double: every kind, nested, in place, every width and number of
// threads, and which shapes stand beside each other.
#include <molmo/core/views.hpp>
#include <molmo/expr/eval.hpp>
#include <molmo/expr/formula.hpp>
#include <molmo/expr/reduce.hpp>
#include <molmo/expr/where.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

#include <memory>

using namespace molmo;
using fixtures::Numbers;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

// All kinds of one row, by plain loops in double.
struct Row {
  double sum = 0, mean = 0, most = -HUGE_VAL, least = HUGE_VAL, variance = 0, log_sum_exp = 0, magnitude = 0;
  bool any = false, all = true;
};
template <class T>
Row row_of(const Numbers<T>& x, index_t begin, index_t width) {
  Row w;
  const auto at = [&](index_t c) { return static_cast<double>(x[begin + c]); };
  for (index_t c = 0; c < width; ++c) {
    w.sum += at(c), w.magnitude += std::fabs(at(c));
    w.most = std::max(w.most, at(c)), w.least = std::min(w.least, at(c));
    w.any = w.any || at(c) != 0, w.all = w.all && at(c) != 0;
  }
  const double n = static_cast<double>(width);
  w.mean = w.sum / n;
  double powers = 0;
  for (index_t c = 0; c < width; ++c) {
    w.variance += (at(c) - w.mean) * (at(c) - w.mean) / n;
    powers += std::exp(at(c) - w.most);
  }
  w.log_sum_exp = w.most + std::log(powers);
  return w;
}

// f32 sums of `width` terms in 4 registers: some sqrt(width) roundings of 6e-8.
double tolerance(index_t width) { return 2e-7 * (2 + std::sqrt(static_cast<double>(width)) / 4); }

template <class T, index_t D>
void check_kinds(index_t rows) {
  Numbers<T> x(rows * D, 71);
  if (D > 2)
    for (index_t c = 0; c < D; ++c) x[c] = T(0.0f);  // any and all are false
  if (rows > 1) x[D + D / 2] = T(0.0f);              // all is false
  Numbers<float> got(rows), first(rows * 8), all_kinds(rows * 8);
  const auto check = [&](const auto& cpu, int kind, auto e, auto want, double (*size)(const Row&)) {
    on(cpu, got.tokens()) = e;
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r) {
      const Row w = row_of(x, r * D, D);
      wrong += !(std::fabs(static_cast<double>(got[r]) - want(w)) <= tolerance(D) * size(w));
      all_kinds[kind * rows + r] = got[r];
    }
    INFO(cpu.name << ", " << cpu.threads() << " threads, " << rows << " x " << D << ", kind " << kind);
    CHECK(wrong == 0);
  };
  const auto exactly = [](const Row&) { return 0.0; };
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto v = x.template tokens<D>();
    check(cpu, 0, sum(v), [](const Row& w) { return w.sum; }, [](const Row& w) { return w.magnitude; });
    check(cpu, 1, mean(v), [](const Row& w) { return w.mean; }, [](const Row& w) { return w.magnitude / D; });
    check(cpu, 2, max_of(v), [](const Row& w) { return w.most; }, exactly);
    check(cpu, 3, min_of(v), [](const Row& w) { return w.least; }, exactly);
    check(cpu, 4, variance(v), [](const Row& w) { return w.variance; }, [](const Row& w) { return w.variance; });
    // The exponentials are right to an ulp, their sum to the tolerance: absolutely, and the largest is added to it.
    check(cpu, 5, log_sum_exp(v), [](const Row& w) { return w.log_sum_exp; },
          [](const Row& w) { return 2 + std::fabs(w.most); });
    check(cpu, 6, where(any(v), 1, 0), [](const Row& w) { return w.any ? 1.0 : 0.0; }, exactly);
    check(cpu, 7, where(all(v), 1, 0), [](const Row& w) { return w.all ? 1.0 : 0.0; }, exactly);
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = all_kinds;
      CHECK(all_kinds.same_bits(first));
    }
  });
}

}  // namespace

TEST_CASE("every kind of row reduction stored as a column") {
  check_kinds<float, 1>(9);
  check_kinds<float, 3>(70);
  check_kinds<float, 16>(33);
  check_kinds<float, 61>(700);
  check_kinds<float, 1000>(40);
  check_kinds<float, 33000>(3);
  check_kinds<bf16, 129>(300);
  check_kinds<f16, 37>(5);
  check_kinds<double, 100>(17);
}

namespace {

template <class T, class Y, index_t D>
void check_rms_norm(index_t rows) {
  constexpr double eps = 1e-5;
  Numbers<T> x(rows * D, 72);
  Numbers<float> w(D, 73);
  Numbers<Y> y(rows * D), first(rows * D);
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto v = x.template tokens<D>();
    on(cpu, y.template tokens<D>()) = v * rsqrt(mean(v * v) + eps) * w.template fixed<D>();
    index_t wrong = 0;
    for (index_t r = 0; r < rows; ++r) {
      double squares = 0;
      for (index_t c = 0; c < D; ++c) squares += static_cast<double>(x[r * D + c]) * static_cast<double>(x[r * D + c]);
      for (index_t c = 0; c < D; ++c) {
        const double want = static_cast<double>(x[r * D + c]) / std::sqrt(squares / D + eps) * static_cast<double>(w[c]);
        // Half the error of the sum, four roundings, and that of the store.
        const double most = (tolerance(D) + 3e-7) * std::fabs(want) + 0.51 * fixtures::unit<Y>(want);
        wrong += !(std::fabs(static_cast<double>(y[r * D + c]) - want) <= most);
      }
    }
    INFO(cpu.name << ", " << cpu.threads() << " threads, " << rows << " x " << D);
    CHECK(wrong == 0);
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = y;
      CHECK(y.same_bits(first));
    }
  });
}

}  // namespace

TEST_CASE("RMSNorm is one statement") {
  check_rms_norm<float, float, 1>(5);
  check_rms_norm<float, float, 7>(301);
  check_rms_norm<float, float, 64>(700);
  check_rms_norm<float, float, 4097>(19);
  check_rms_norm<bf16, bf16, 131>(300);
  check_rms_norm<f16, float, 48>(11);
  check_rms_norm<float, f16, 96>(11);
  check_rms_norm<double, float, 33>(7);
}

TEST_CASE("of doubles the numbers and the pass are in double") {
  constexpr index_t width = 50, rows = 4;
  Numbers<double> x(rows * width, 74), y(rows * width);
  for (index_t i = 0; i < x.size(); ++i) x[i] = 1e9 + x[i];  // float has steps of 64 there
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<width>()) = (x.tokens<width>() - mean(x.tokens<width>())) / sqrt(variance(x.tokens<width>()));
    for (index_t r = 0; r < rows; ++r) {
      const Row w = row_of(x, r * width, width);
      for (index_t c = 0; c < width; ++c)
        CHECK(y[r * width + c] == Approx((x[r * width + c] - w.mean) / std::sqrt(w.variance)).margin(1e-6));
    }
  });
}

TEST_CASE("reductions nest, and a variance far from zero loses no digits") {
  constexpr index_t width = 203, rows = 40;
  Numbers<float> x(rows * width, 75), by_hand(rows), own(rows), y(rows * width);
  for (index_t i = 0; i < x.size(); ++i) x[i] += 1e5f;  // beside spreads of 2.3
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto v = x.tokens<width>();
    on(cpu, by_hand.tokens()) = mean(square(v - mean(v)));
    on(cpu, own.tokens()) = variance(v);
    on(cpu, y.tokens<width>()) = (v - mean(v)) * rsqrt(mean(square(v - mean(v))) + 1e-5);
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    for (index_t r = 0; r < rows; ++r) {
      const Row w = row_of(x, r * width, width);
      CHECK(static_cast<double>(own[r]) == Approx(w.variance).epsilon(1e-6));
      // Near 1e5 a float has steps of 2^-7. The mean is off by about one: its square is 1.2e-5 of the variance.
      CHECK(static_cast<double>(by_hand[r]) == Approx(w.variance).epsilon(4e-5));
      for (index_t c = 0; c < width; c += 17)
        CHECK(static_cast<double>(y[r * width + c]) ==
              Approx((static_cast<double>(x[r * width + c]) - w.mean) / std::sqrt(w.variance + 1e-5)).margin(6e-3));
    }
    // Two neighbouring floats by turns: the mean lies between them, half a step from both.
    Numbers<float> turns(64), v1(1);
    for (index_t i = 0; i < 64; ++i) turns[i] = i % 2 ? 1e6f : 1e6f + 0.0625f;
    on(cpu, v1.tokens()) = variance(turns.tokens<64>());
    CHECK(v1[0] == 0.03125f * 0.03125f);
  });
}

TEST_CASE("the largest is taken out of log_sum_exp, and softmax is an expression") {
  constexpr index_t width = 100, rows = 7;
  Numbers<float> x(rows * width, 76, 1000), y(rows * width);
  fixtures::for_each_backend([&](const auto& cpu) {
    on(cpu, y.tokens<width>()) = exp(x.tokens<width>() - log_sum_exp(x.tokens<width>()));
    for (index_t r = 0; r < rows; ++r) {
      const Row w = row_of(x, r * width, width);
      for (index_t c = 0; c < width; ++c)
        // The argument, up to 1000, is rounded to 6e-5.
        CHECK(static_cast<double>(y[r * width + c]) ==
              Approx(std::exp(static_cast<double>(x[r * width + c]) - w.log_sum_exp)).epsilon(2e-4).margin(1e-30));
    }
  });
}

TEST_CASE("the target may be an operand; overlaps at another row are refused") {
  constexpr index_t width = 65, rows = 300;
  Numbers<float> x(rows * width, 77), y(rows * width), s(rows, 78), t(rows);
  fixtures::for_each_backend([&](const auto& cpu) {
    Numbers<float> in_place = x, column = s;
    const auto v = in_place.tokens<width>();
    on(cpu, y.tokens<width>()) = x.tokens<width>() / sum(abs(x.tokens<width>())) + s.tokens();
    on(cpu, v) = v / sum(abs(v)) + s.tokens();
    CHECK(in_place.same_bits(y));
    on(cpu, t.tokens()) = mean(x.tokens<width>() - s.tokens()) * s.tokens();
    on(cpu, column.tokens()) = mean(x.tokens<width>() - column.tokens()) * column.tokens();
    CHECK(column.same_bits(t));
    Numbers<float> kept = in_place;
    const auto upper = v.slice(0, 10), lower = v.slice(1, 10);
    CHECK_THROWS_AS(on(cpu, upper) = lower - mean(lower), contract_error);
    CHECK_THROWS_AS(on(cpu, upper) = upper - mean(lower), contract_error);
    CHECK_THROWS_AS(on(cpu, upper) = upper - mean(x.tokens<width>()), contract_error);  // other tokens
    CHECK_THROWS_AS(on(cpu, in_place.tokens().slice(0, 10)) = mean(upper), contract_error);
    CHECK(in_place.same_bits(kept));
  });
}

TEST_CASE("vectors, heads, static rows, and reductions of other tensors") {
  Numbers<float> x(60, 79), y(60), vector(5, 80), s(12);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    // A vector: a scalar.
    on(cpu, y.fixed<60>()) = x.fixed<60>() - mean(x.fixed<60>());
    const Row whole = row_of(x, 0, 60);
    for (index_t i = 0; i < 60; ++i) CHECK(y[i] == Approx(static_cast<double>(x[i]) - whole.mean).margin(1e-6));
    // Beside rows, where it is calculated once; and a reduction of rows.
    on(cpu, y.tokens<6>()) = x.tokens<6>() + max_of(vector.fixed<5>()) * min_of(x.tokens<6>());
    const double most = row_of(vector, 0, 5).most;
    for (index_t r = 0; r < 10; ++r)
      for (index_t c = 0; c < 6; ++c)
        CHECK(y[r * 6 + c] == Approx(static_cast<double>(x[r * 6 + c]) + most * row_of(x, r * 6, 6).least).margin(1e-5));
    // Heads: [n, H, d], a number for each head of each token.
    on(cpu, y.tokens<3, 4>()) = x.tokens<3, 4>() / sum(square(x.tokens<3, 4>()));
    // Static rows, and a static column beside them.
    Numbers<float> z(60);
    on(cpu, z.fixed<15, 4>()) = x.fixed<15, 4>() / sum(square(x.fixed<15, 4>()));
    CHECK(z.same_bits(y));
    for (index_t r = 0; r < 15; ++r) {
      double squares = 0;
      for (index_t c = 0; c < 4; ++c) squares += static_cast<double>(x[4 * r + c]) * static_cast<double>(x[4 * r + c]);
      CHECK(y[4 * r + 1] == Approx(static_cast<double>(x[4 * r + 1]) / squares).epsilon(1e-6));
    }
    on(cpu, s.fixed<12>()) = mean(x.fixed<12, 5>());
    on(cpu, y.fixed<12, 1>()) = mean(x.fixed<12, 5>()) + 1;
    on(cpu, z.fixed<12, 5>()) = x.fixed<12, 5>() * s.fixed<12, 1>();
    for (index_t r = 0; r < 12; ++r) {
      CHECK(s[r] == Approx(row_of(x, 5 * r, 5).mean).margin(1e-6));
      CHECK(y[r] == Approx(row_of(x, 5 * r, 5).mean + 1).margin(1e-6));
      for (index_t c = 0; c < 5; ++c) CHECK(z[5 * r + c] == x[5 * r + c] * s[r]);
    }
    // A column beside rows of another width, spread over them.
    on(cpu, y.tokens<6>()) = sum(x.tokens<6>());
    for (index_t i = 0; i < 60; ++i) CHECK(y[i] == Approx(row_of(x, i / 6 * 6, 6).sum).margin(1e-5));
  });
}

TEST_CASE("functions with a state, and a name") {
  Numbers<float> x(40, 81), y(40);
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const double power = 2;
    const auto most = max_of(x.tokens<8>());
    const auto twice = map([power](auto v) { return v * constant<decltype(v)>(power); }, most);
    on(cpu, y.tokens<8>()) = (max)(x.tokens<8>(), clamp(twice - 1, -1, 5));
    for (index_t i = 0; i < 40; ++i) {
      const double want = 2 * row_of(x, i / 8 * 8, 8).most - 1;
      CHECK(y[i] == Approx(std::max(static_cast<double>(x[i]), std::min(5.0, std::max(-1.0, want)))).margin(1e-6));
    }
  });
}

TEST_CASE("NaN and infinity in a row are not passed over, and stay in it") {
  constexpr index_t width = 70;
  for (const index_t at : {0, 31, 64, 69})
    fixtures::for_each_kind_of_backend([&](const auto& cpu) {
      INFO(cpu.name << ", at " << at);
      Numbers<float> x(3 * width, 82), y(3 * width), s(3);
      const auto stored = [&](auto e) {
        on(cpu, s.tokens()) = e;
        CHECK((std::isfinite(s[0]) && std::isfinite(s[2])));
        return s[1];
      };
      const auto v = x.tokens<width>();
      x[width + at] = not_a_number;
      CHECK(std::isnan(stored(sum(v))));
      CHECK(std::isnan(stored(mean(v))));
      CHECK(std::isnan(stored(max_of(v))));
      CHECK(std::isnan(stored(min_of(v))));
      CHECK(std::isnan(stored(variance(v))));
      CHECK(std::isnan(stored(log_sum_exp(v))));
      CHECK(stored(where(any(v * 0), 1, 0)) == 1);  // NaN is not 0
      CHECK(stored(where(all(abs(v) + 1), 1, 0)) == 1);
      on(cpu, y.tokens<width>()) = v - mean(v);
      for (index_t i = 0; i < 3 * width; ++i) CHECK(std::isnan(y[i]) == (i / width == 1));
      x[width + at] = inf;
      CHECK(stored(sum(v)) == inf);
      CHECK(stored(max_of(v)) == inf);
      CHECK(std::isfinite(stored(min_of(v))));
      CHECK(stored(log_sum_exp(v)) == inf);
      CHECK(std::isnan(stored(variance(v))));
      x[width + at] = -inf;
      CHECK(stored(min_of(v)) == -inf);
      CHECK(std::isfinite(stored(log_sum_exp(v))));
      for (index_t c = 0; c < width; ++c) x[width + c] = -inf;
      CHECK(stored(log_sum_exp(v)) == -inf);
      CHECK(stored(max_of(v)) == -inf);
    });
}

TEST_CASE("no tokens, no rows") {
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<float, Shape<dyn, 8>> none(nullptr, 0);
    const View<float, Shape<dyn>> no_column(nullptr, 0);
    on(cpu, none) = none * rsqrt(mean(none * none) + 1e-5);
    on(cpu, no_column) = variance(none);
    on(cpu, no_column) = min_of(none);
  });
}

TEST_CASE("rows that lie apart, as operands and as targets") {
  constexpr index_t width = 50, rows = 700;
  Numbers<float> x(rows * width, 83), whole(rows * width, 84), packed(rows * 21), want(rows * 21), s(rows * 3), t(rows);
  for (index_t r = 0; r < rows; ++r)
    for (index_t c = 0; c < 21; ++c) packed[r * 21 + c] = x[r * width + 7 + c];
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    const auto piece = columns<7, 21>(x.tokens<width>());
    const auto same = packed.tokens<21>();
    on(cpu, want.tokens<21>()) = same * rsqrt(mean(same * same)) - max_of(same);
    Numbers<float> into = whole;
    on(cpu, columns<3, 21>(into.tokens<width>())) = piece * rsqrt(mean(piece * piece)) - max_of(piece);
    index_t wrong = 0;
    for (index_t i = 0; i < into.size(); ++i) {
      const index_t c = i % width - 3;
      wrong += into[i] != (c >= 0 && c < 21 ? want[i / width * 21 + c] : whole[i]);
    }
    CHECK(wrong == 0);
    // A column of a matrix as the target.
    on(cpu, t.tokens()) = min_of(same);
    on(cpu, columns<1, 1>(s.tokens<3>())) = min_of(piece);
    for (index_t r = 0; r < rows; ++r) wrong += s[3 * r + 1] != t[r];
    CHECK(wrong == 0);
    // In place, beside columns that stay.
    Numbers<float> in_place = x;
    const auto mine = columns<7, 21>(in_place.tokens<width>());
    on(cpu, mine) = mine * rsqrt(mean(mine * mine)) - max_of(mine);
    for (index_t i = 0; i < into.size(); ++i) {
      const index_t c = i % width - 7;
      wrong += in_place[i] != (c >= 0 && c < 21 ? want[i / width * 21 + c] : x[i]);
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("reductions of fewer axes than the rows that they stand beside") {
  constexpr index_t tokens = 90, heads = 4, width = 6;
  Numbers<float> x(tokens * heads * width, 85), y(x.size()), fixed(heads * width, 86), wide(tokens * 11, 87);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    const auto v = x.tokens<heads, width>();
    // [H, d] gives one number per head, the same for all tokens; [n, K] one per token, the same for all heads.
    on(cpu, y.tokens<heads, width>()) = v * max_of(fixed.fixed<heads, width>()) + sum(wide.tokens<11>());
    index_t wrong = 0;
    for (index_t i = 0; i < y.size(); ++i) {
      const index_t h = i / width % heads, t = i / width / heads;
      const double want = static_cast<double>(x[i]) * row_of(fixed, h * width, width).most + row_of(wide, t * 11, 11).sum;
      wrong += !(std::fabs(static_cast<double>(y[i]) - want) <= 1e-5);
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("eval, update and formula of row reductions") {
  Numbers<float> x(24, 88), y(24);
  const auto v = x.tokens<8>();
  CHECK(formula(v * rsqrt(mean(v * v) + 0.5f)) == "x0 * rsqrt(mean(x0 * x0) + 0.5)");
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto means = eval(cpu, mean(v));
    STATIC_REQUIRE(std::is_same_v<decltype(means), const Tensor<float, dyn>>);
    CHECK(means[2] == Approx(row_of(x, 16, 8).mean).margin(1e-6));
    const float scalar = eval(cpu, max_of(x.fixed<24>()) + 1);
    CHECK(scalar == Approx(row_of(x, 0, 24).most + 1));
    for (index_t i = 0; i < 24; ++i) y[i] = 1;
    on(cpu, y.tokens<8>()) += v - mean(v);
    CHECK(y[20] == Approx(1 + static_cast<double>(x[20]) - row_of(x, 16, 8).mean).margin(1e-6));
  });
}

TEST_CASE("a number of an expression that has row reductions") {
  constexpr index_t width = 33, rows = 50;
  Numbers<float> x(rows * width, 89);
  Numbers<double> d(rows * width);
  for (index_t i = 0; i < d.size(); ++i) d[i] = static_cast<double>(x[i]) + 1e8;
  double want = 0;
  for (index_t r = 0; r < rows; ++r) want += row_of(x, r * width, width).variance * width;
  float first = 0;
  fixtures::for_each_backend([&](const auto& cpu) {
    const auto v = x.tokens<width>();
    const float s = sum(cpu, square(v - mean(v)));
    CHECK(s == Approx(want).epsilon(1e-5));
    const auto w = d.tokens<width>();
    CHECK(sum(cpu, square(w - mean(w))) == Approx(want).epsilon(1e-6));
    CHECK(mean(cpu, variance(v)) == Approx(want / width / rows).epsilon(1e-5));
    CHECK(all(cpu, variance(v)));
    if (cpu.name == std::string("xsimd")) {
      if (cpu.threads() == 1) first = s;
      CHECK(s == first);
    }
  });
}

TEST_CASE("numbers of everything: mean, min_of, variance, log_sum_exp, any, all") {
  for (const index_t n : {1, 17, 64, 1000, 40000}) {
    Numbers<float> x(n, 90);
    const Row w = row_of(x, 0, n);
    fixtures::for_each_backend([&](const auto& cpu) {
      INFO("n = " << n << ", " << cpu.name << ", " << cpu.threads() << " threads");
      const auto v = x.tokens();
      CHECK(std::fabs(static_cast<double>(mean(cpu, v)) - w.mean) <= tolerance(n) * w.magnitude / static_cast<double>(n));
      CHECK(static_cast<double>(min_of(cpu, v)) == w.least);
      CHECK(std::fabs(static_cast<double>(variance(cpu, v)) - w.variance) <= tolerance(n) * w.variance);
      CHECK(static_cast<double>(log_sum_exp(cpu, v)) == Approx(w.log_sum_exp).epsilon(1e-6));
      CHECK(any(cpu, v));
      CHECK_FALSE(any(cpu, v * 0));
      CHECK(all(cpu, abs(v) + 1));
      Numbers<float> holed = x;
      holed[n / 2] = 0;
      CHECK_FALSE(all(cpu, holed.tokens()));
    });
  }
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const View<const float, Shape<dyn, 8>> none(nullptr, 0);
    CHECK(std::isnan(mean(cpu, none)));
    CHECK(std::isnan(variance(cpu, none)));
    CHECK(min_of(cpu, none) == inf);
    CHECK(log_sum_exp(cpu, none) == -inf);
    CHECK_FALSE(any(cpu, none));
    CHECK(all(cpu, none));
    Numbers<float> x(67, 91);
    x[66] = not_a_number;
    CHECK(std::isnan(mean(cpu, x.tokens())));
    CHECK(std::isnan(min_of(cpu, x.tokens())));
    CHECK(std::isnan(log_sum_exp(cpu, x.tokens())));
    CHECK(any(cpu, x.tokens() * 0));
  });
}

TEST_CASE("truth: any and all of conditions, and where a row decides") {
  constexpr index_t width = 37, rows = 60;
  Numbers<float> x(rows * width, 92), y(x.size());
  const auto flag = std::make_unique<bool[]>(rows);
  fixtures::for_each_backend([&](const auto& cpu) {
    INFO(cpu.name << ", " << cpu.threads() << " threads");
    const auto v = x.tokens<width>();
    const View<bool, Shape<dyn>> flags(flag.get(), rows);
    index_t wrong = 0, yes = 0;
    on(cpu, flags) = any(v > 3.9f);
    for (index_t r = 0; r < rows; ++r)
      wrong += flag[static_cast<std::size_t>(r)] != (row_of(x, r * width, width).most > static_cast<double>(3.9f));
    on(cpu, flags) = all(v > -3.9f) && mean(v) < 0;
    for (index_t r = 0; r < rows; ++r) {
      const Row w = row_of(x, r * width, width);
      const bool want = w.least > static_cast<double>(-3.9f) && w.mean < 0;
      wrong += flag[static_cast<std::size_t>(r)] != want, yes += want;
    }
    on(cpu, y.tokens<width>()) = where(mean(v) < 0, v - max_of(v), where(v < mean(v), 0, v));
    for (index_t i = 0; i < x.size(); ++i) {
      const Row w = row_of(x, i / width * width, width);
      const double at = static_cast<double>(x[i]), want = w.mean < 0 ? at - w.most : at < w.mean ? 0 : at;
      wrong += !(std::fabs(static_cast<double>(y[i]) - want) <= 1e-6);
    }
    CHECK(wrong == 0);
    CHECK((yes > 0 && yes < rows));
    CHECK(any(cpu, v > 3.9f));
    CHECK_FALSE(all(cpu, v > 3.9f));
  });
}

TEST_CASE("whole numbers that a row chooses stay exact beside integers and in integer targets") {
  constexpr index_t rows = 3, width = 21;
  Numbers<float> x(rows * width), f(rows * width);
  Numbers<std::int32_t> ids(rows * width);
  x[width + 4] = 5;  // in row 1 only
  fixtures::for_each_kind_of_backend([&](const auto& cpu) {
    const auto high = any(x.tokens<width>() > 3);
    on(cpu, ids.tokens<width>()) = where(high, 16777217, 0);
    for (index_t i = 0; i < ids.size(); ++i) CHECK(ids[i] == (i / width == 1 ? 16777217 : 0));
    on(cpu, ids.tokens<width>()) = where(high, 7, 1) / 2 * 2;
    for (index_t i = 0; i < ids.size(); ++i) CHECK(ids[i] == (i / width == 1 ? 6 : 0));
    on(cpu, f.tokens<width>()) = where(high, 7, 1) / 2 * 2.0f + x.tokens<width>();  // reals where they stand by reals
    for (index_t i = 0; i < ids.size(); ++i) CHECK(f[i] == (i / width == 1 ? 7 : 1) + x[i]);
  });
}
