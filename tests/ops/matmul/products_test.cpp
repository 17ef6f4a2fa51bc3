// SPDX-License-Identifier: Apache-2.0
// on(ctx, y0, y1, ...) = matmul(x, w0, w1, ...) and .then(e) in which two products meet (matmul.hpp), against loops in
// double and against the same products one by one: formats, layouts, widths that fill no register, column slices of one
// tensor, any number of threads.
#include <molmo/core/views.hpp>
#include <molmo/ops/matmul/matmul.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"
#include "support/stored.hpp"

#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr index_t K = 45, Q = 37, V = 16;  // no multiples of a register or of a panel, and one panel
using X = Tensor<float, dyn, K>;
constexpr float untouched = std::numeric_limits<float>::quiet_NaN();

template <class T>
void fill(T& t, Random& random, float size = 1) {
  for (index_t i = 0; i < t.size(); ++i) t[i] = static_cast<typename T::element>(random.number(size));
}
template <class T>
void forget(T& t) {
  for (index_t i = 0; i < t.size(); ++i) t[i] = static_cast<typename T::element>(untouched);
}
template <class T>
std::vector<typename T::element> elements(const T& t) {
  return {t.data(), t.data() + t.size()};
}

/// x . w for row m of x and row n of w, in double.
double dot(const X& x, const WeightMatrix& w, index_t m, index_t n) {
  float row[K];
  read_row(w, n, row);
  double sum = 0;
  for (index_t k = 0; k < K; ++k) sum += static_cast<double>(x(m, k)) * static_cast<double>(row[k]);
  return sum;
}
double silu_of(double x) { return x / (1 + std::exp(-x)); }

/// f(ctx) for every backend and for several numbers of threads.
template <class F>
void on_all(F&& f) {
  f(Reference{});
#if MOLMO_HAS_XSIMD
  for (const int threads : {1, 2, 3}) f(Xsimd<>(threads).exact());
#endif
}

struct Kind {
  FormatId format;
  Layout layout;
};
const Kind kinds[] = {{format_id<F32>, Layout::rows},   {format_id<F32>, Layout::panels}, {format_id<Bf16>, Layout::rows},
                      {format_id<F16>, Layout::panels}, {format_id<Q8>, Layout::panels},  {format_id<Q4>, Layout::rows}};

// K products of two numbers below 1, added in f32.
const double allowed = tolerance(K);

}  // namespace

TEST_CASE("matmul of several weights: every target gets its own product and epilogue") {
  Random random(1);
  Tensor<float, V> bias;
  fill(bias, random);
  for (const Kind& kind : kinds)
    for (const index_t m : {1, 7, 40}) {
      CAPTURE(format_name(kind.format), static_cast<int>(kind.layout), m);
      const Stored wq(random, kind.format, Q, K, kind.layout), wk(random, kind.format, V, K, kind.layout),
          wv(random, kind.format, V, K);
      const Weight<Shape<Q, K>> q(wq.m);
      const Weight<Shape<V, K>> k(wk.m), v(wv.m);
      X x(m);
      fill(x, random);
      std::vector<double> want_q, want_k, want_v;
      Tensor<float, dyn, V> before(m);
      fill(before, random);
      for (index_t r = 0; r < m; ++r) {
        for (index_t c = 0; c < Q; ++c) want_q.push_back(dot(x, wq.m, r, c));
        for (index_t c = 0; c < V; ++c) {
          want_k.push_back(silu_of(dot(x, wk.m, r, c) + static_cast<double>(bias[c])));
          want_v.push_back(dot(x, wv.m, r, c) + static_cast<double>(before(r, c)));
        }
      }
      on_all([&](const auto& ctx) {
        Tensor<float, dyn, Q> yq(m), one_q(m);
        Tensor<float, dyn, V> yk(m), yv(m), one_k(m), one_v(m);
        forget(yq), forget(yk);
        on(Reference{}, yv) = before * 1;
        on(Reference{}, one_v) = before * 1;
        on(ctx, yq, yk, yv) = matmul(x, q, k, v).then(acc, silu(acc1 + bias), acc + yv);  // acc1: the second's own
        REQUIRE_CLOSE(elements(yq), want_q, allowed);
        REQUIRE_CLOSE(elements(yk), want_k, 2 * allowed);  // silu's slope is 1.1 at most
        REQUIRE_CLOSE(elements(yv), want_v, allowed);
        // One statement for each says the same, in every bit.
        on(ctx, one_q) = matmul(x, q);
        on(ctx, one_k) = matmul(x, k).then(silu(acc0 + bias));
        on(ctx, one_v) = matmul(x, v).then(acc).then(acc + one_v);
        REQUIRE_SAME_BITS(elements(yq), elements(one_q));
        REQUIRE_SAME_BITS(elements(yk), elements(one_k));
        REQUIRE_SAME_BITS(elements(yv), elements(one_v));
      });
    }
}

TEST_CASE("matmul of several weights: targets of other types, and columns of one tensor") {
  Random random(2);
  X x(9);
  Tensor<float, Q, K> wq;
  Tensor<bf16, V, K> wk;
  fill(x, random), fill(wq, random), fill(wk, random);
  on_all([&](const auto& ctx) {
    Tensor<float, dyn, Q> yq(9);
    Tensor<bf16, dyn, V> yk(9), one_k(9);
    on(ctx, yq, yk) = matmul(x, wq, wk);
    on(ctx, one_k) = matmul(x, wk);
    REQUIRE_SAME_BITS(elements(yk), elements(one_k));

    Tensor<float, dyn, 3 + Q + V + 2> wide(9);
    Tensor<float, dyn, V> narrow(9);
    forget(wide);
    on(ctx, columns<3, Q>(wide), columns<3 + Q, V>(wide)) = matmul(x, wq, wk).then(acc, acc * 2);
    on(ctx, narrow) = matmul(x, wk).then(acc * 2);
    for (index_t r = 0; r < 9; ++r)
      for (index_t c = 0; c < wide.cols(); ++c) {
        CAPTURE(r, c);
        if (c < 3 || c >= 3 + Q + V)
          REQUIRE(std::isnan(wide(r, c)));
        else
          REQUIRE(wide(r, c) == (c < 3 + Q ? yq(r, c - 3) : narrow(r, c - 3 - Q)));
      }
    on(ctx, columns<3, Q>(wide)) = matmul(x, wq).then(acc * 3);
    REQUIRE(wide(4, 5) == yq(4, 2) * 3);
    REQUIRE(std::isnan(wide(4, 2)));
  });
}

TEST_CASE("matmul, two products that meet: silu(acc0) * acc1, with biases and other operands, no temporary") {
  Random random(3);
  Tensor<float, Q> bg, bu;
  fill(bg, random), fill(bu, random);
  for (const Kind& kind : kinds)
    for (const index_t m : {1, 7, 40}) {
      CAPTURE(format_name(kind.format), static_cast<int>(kind.layout), m);
      const Stored wg(random, kind.format, Q, K, kind.layout), wu(random, kind.format, Q, K, kind.layout);
      const Weight<Shape<Q, K>> gate(wg.m), up(wu.m);
      X x(m);
      Tensor<float, dyn, Q> side(m);
      fill(x, random), fill(side, random);
      std::vector<double> want, want_biased, want_twice;
      double largest = 1;
      for (index_t r = 0; r < m; ++r)
        for (index_t c = 0; c < Q; ++c) {
          const double g = dot(x, wg.m, r, c), u = dot(x, wu.m, r, c);
          const double b = g + static_cast<double>(bg[c]), v = u + static_cast<double>(bu[c]);
          want.push_back(silu_of(g) * u);
          want_biased.push_back(silu_of(b) * v + static_cast<double>(side(r, c)));
          want_twice.push_back(2 * (g - u) * g);
          largest = std::fmax(largest, std::fmax(std::abs(b), std::abs(v)));
        }
      const double error = 8 * allowed * largest;  // both factors are wrong by `allowed`, and multiplied by each other
      std::vector<float> first;
      on_all([&](const auto& ctx) {
        Tensor<float, dyn, Q> h(m);
        forget(h);
        on(ctx, h) = matmul(x, gate, up).then(silu(acc0) * acc1);
        REQUIRE_CLOSE(elements(h), want, error);
        on(ctx, h) = matmul(x, gate, up).then(silu(acc0 + bg) * (acc1 + bu) + side);
        REQUIRE_CLOSE(elements(h), want_biased, error);
        on(ctx, h) = matmul(x, gate, up).then((acc0 - acc1) * acc0).then(acc * 2);  // in any order, more than once
        REQUIRE_CLOSE(elements(h), want_twice, error);
        // The same bits as with a temporary.
        Tensor<float, dyn, Q> t(m), want_bits(m);
        on(ctx, h) = matmul(x, gate, up).then(silu(acc) * acc1);  // acc: the first
        on(ctx, t) = matmul(x, gate);
        on(ctx, want_bits) = matmul(x, up).then(silu(t) * acc);
        REQUIRE_SAME_BITS(elements(h), elements(want_bits));
      });
    }
}

TEST_CASE("matmul of several weights: NaN and infinity stay where they are") {
  Random random(4);
  X x(3);
  Tensor<float, Q, K> w, u;
  fill(x, random), fill(w, random), fill(u, random);
  x(1, 0) = untouched;
  w(5, 1) = std::numeric_limits<float>::infinity();
  on_all([&](const auto& ctx) {
    Tensor<float, dyn, Q> y(3), z(3), h(3);
    on(ctx, y, z) = matmul(x, w, u);
    on(ctx, h) = matmul(x, w, u).then(relu(acc0) + acc1);
    for (index_t r = 0; r < 3; ++r)
      for (index_t c = 0; c < Q; ++c) {
        CAPTURE(r, c);
        REQUIRE(std::isnan(z(r, c)) == (r == 1));
        REQUIRE(std::isnan(y(r, c)) == (r == 1));
        if (r != 1) {
          REQUIRE(std::isinf(y(r, c)) == (c == 5));
          REQUIRE(std::isinf(h(r, c)) == (c == 5 && y(r, c) > 0));
        }
      }
  });
}

TEST_CASE("matmul of several weights: broken contracts are refused, and nothing is written") {
  Random random(5);
  Tensor<float, dyn, 16> x(6), y(6), z(6), other(5);
  Tensor<float, 16, 16> w, u;
  fill(x, random), fill(w, random), fill(u, random), fill(y, random), fill(z, random);
  const auto y_before = elements(y), z_before = elements(z), x_before = elements(x);
  on_all([&](const auto& ctx) {
    CHECK_THROWS_AS((on(ctx, y, y) = matmul(x, w, u)), contract_error);
    CHECK_THROWS_AS((on(ctx, y.view().slice(0, 4), y.view().slice(2, 4)) = matmul(x.view().slice(0, 4), w, u)),
                    contract_error);
    CHECK_THROWS_AS((on(ctx, y, x) = matmul(x, w, u)), contract_error);
    CHECK_THROWS_AS((on(ctx, y, other) = matmul(x, w, u)), contract_error);                 // 5 tokens
    CHECK_THROWS_AS((on(ctx, y, z) = matmul(x, w, u).then(acc, acc + y)), contract_error);  // y is being written
    CHECK_THROWS_AS((on(ctx, y, z) = matmul(x, w, u).then(acc + z, acc)), contract_error);
    CHECK_THROWS_AS((on(ctx, y) = matmul(x, w, u).then(acc0 * acc1 + y)), contract_error);  // acc0 waits in y
    CHECK_THROWS_AS((on(ctx, x) = matmul(x, w, u).then(acc0 * acc1)), contract_error);
    CHECK_THROWS_AS((on(ctx, w) = matmul(View<const float, Shape<16, 16>>(x.data()), u, w).then(acc0 * acc1)),
                    contract_error);
    // A target beside x in one tensor is fine, one that cuts into it is not.
    Tensor<float, dyn, 40> wide(6);
    const auto in = columns<8, 16>(wide);
    CHECK_THROWS_AS((on(ctx, y, columns<16, 16>(wide)) = matmul(in, w, u)), contract_error);
    on(ctx, y, columns<24, 16>(wide)) = matmul(in, w, u).then(acc * 0 + y, acc);
    REQUIRE_SAME_BITS(elements(y), y_before);
    REQUIRE_SAME_BITS(elements(z), z_before);
    REQUIRE_SAME_BITS(elements(x), x_before);
  });
  X none(0);
  Tensor<float, dyn, Q> nothing(0);
  Tensor<float, Q, K> wq;
  on_all([&](const auto& ctx) { on(ctx, nothing) = matmul(none, wq, wq).then(acc0 * acc1); });
}

namespace {

/// Counts how often it hears of each column, and whether all rows of it were there.
struct Told {
  index_t grain;
  const float* y;
  index_t rows, width;
  std::atomic<int>* times;
  std::atomic<int>* wrong;

  template <class Ctx>
  void operator()(const Ctx&, Range columns) const {
    if (columns.begin % grain != 0 || columns.end % grain != 0) ++*wrong;
    for (index_t c = columns.begin; c < columns.end; ++c) {
      ++times[c];
      for (index_t r = 0; r < rows; ++r)
        if (std::isnan(y[r * width + c])) ++*wrong;
    }
  }
};

}  // namespace

TEST_CASE("matmul ... .when_stored(f): f hears of every column once, counted through the targets, in whole units") {
  Random random(6);
  constexpr index_t k = 32, q = 96, v = 48, width = q + 2 * v;
  Tensor<float, q, k> wq;
  Tensor<float, v, k> wk, wv;
  fill(wq, random), fill(wk, random), fill(wv, random);
  for (const index_t m : {1, 5, 300})
    for (const index_t grain : {8, 16, 48}) {
      Tensor<float, dyn, k> x(m);
      Tensor<float, dyn, width> y(m);
      fill(x, random);
      on_all([&](const auto& ctx) {
        CAPTURE(m, grain, ctx.threads());
        forget(y);
        std::vector<std::atomic<int>> times(width);
        std::atomic<int> wrong = 0;
        const Told told{grain, y.data(), m, width, times.data(), &wrong};
        on(ctx, columns<0, q>(y), columns<q, v>(y), columns<q + v, v>(y)) = matmul(x, wq, wk, wv).when_stored(told);
        CHECK(wrong == 0);
        for (const auto& t : times) REQUIRE(t == 1);
      });
    }
}
