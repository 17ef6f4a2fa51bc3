// SPDX-License-Identifier: Apache-2.0
// Attention: Reference against a calculation written here with plain matrices, Xsimd against Reference over all kinds of heads,
// contexts and lengths; nothing that lies behind the visible keys is read; the same bits from any number of threads.
#include <molmo/ops/attention/attention.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr float poison = std::numeric_limits<float>::quiet_NaN();

// Operands with everything that must not be read or written poisoned: keys and values behind the last visible position, the
// gaps between rows of q.
struct Problem {
  index_t tokens, past, heads, kv_heads, head_dim, capacity, q_token, out_token;
  std::vector<float> q, k, v;
  float scale;

  Problem(Random& random, index_t tokens_, index_t past_, index_t heads_, index_t kv_heads_, index_t head_dim_, float size = 1)
      : tokens(tokens_),
        past(past_),
        heads(heads_),
        kv_heads(kv_heads_),
        head_dim(head_dim_),
        capacity(past_ + tokens_ + 5),
        q_token(heads_ * head_dim_ + 3),
        out_token(heads_ * head_dim_ + 2),
        q(random.numbers(tokens_ * q_token, size)),
        k(random.numbers(kv_heads_ * capacity * head_dim_, size)),
        v(random.numbers(kv_heads_ * capacity * head_dim_)),
        scale(1.0f / std::sqrt(static_cast<float>(head_dim_))) {
    for (index_t t = 0; t < tokens; ++t)
      for (index_t i = heads * head_dim; i < q_token; ++i) q[at(t * q_token + i)] = poison;
    for (index_t h = 0; h < kv_heads; ++h)
      for (index_t j = past + tokens; j < capacity; ++j)
        for (index_t i = 0; i < head_dim; ++i) k[at((h * capacity + j) * head_dim + i)] = v[at((h * capacity + j) * head_dim + i)] = poison;
  }
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

  template <class Ctx>
  std::vector<float> run(const Ctx& ctx) const {
    std::vector<float> out(at(tokens * out_token), -7.0f);
    attention(ctx, AttentionRows{q.data(), out.data(), k.data(), v.data(), tokens, past, heads, kv_heads, head_dim, q_token, out_token,
                                 capacity * head_dim, scale});
    return out;
  }
  // softmax(q K^T) V for one head at a time, with a mask.
  std::vector<double> plain() const {
    std::vector<double> out(at(tokens * out_token), -7.0);
    const index_t all = past + tokens;
    for (index_t h = 0; h < heads; ++h)
      for (index_t t = 0; t < tokens; ++t) {
        const index_t g = h * kv_heads / heads;
        std::vector<double> p;
        for (index_t j = 0; j < all; ++j) {
          double s = -std::numeric_limits<double>::infinity();
          if (j <= past + t) {
            s = 0;
            for (index_t i = 0; i < head_dim; ++i)
              s += static_cast<double>(q[at(t * q_token + h * head_dim + i)]) * static_cast<double>(k[at((g * capacity + j) * head_dim + i)]);
            s *= static_cast<double>(scale);
          }
          p.push_back(s);
        }
        const double top = *std::max_element(p.begin(), p.end());
        double total = 0;
        for (double& x : p) total += x = std::exp(x - top);
        for (index_t i = 0; i < head_dim; ++i) {
          double sum = 0;
          for (index_t j = 0; j <= past + t; ++j) sum += p[at(j)] / total * static_cast<double>(v[at((g * capacity + j) * head_dim + i)]);
          out[at(t * out_token + h * head_dim + i)] = sum;
        }
      }
    return out;
  }
};

// Xsimd computes scores in f32 (their error is a few ulp of the largest score, which exp turns into a relative error), the sum of
// weights and the weighted sum of values (each at most 1 in size) too: 1e-6 for the sums, 4e-7 times the size of the scores.
double allowed(const Problem& p, float size = 1) {
  return 2e-6 + 4e-7 * static_cast<double>(size * size) * std::sqrt(static_cast<double>(p.head_dim));
}

}  // namespace

TEST_CASE("attention: the meaning is softmax of the visible scores times the values") {
  Random random(1);
  for (const auto& [tokens, past, heads, kv] : {std::array<index_t, 4>{1, 0, 1, 1}, {5, 0, 4, 4}, {3, 7, 6, 2}, {2, 70, 4, 1}}) {
    const Problem p(random, tokens, past, heads, kv, 6);
    CAPTURE(tokens, past, heads, kv);
    REQUIRE_CLOSE(p.run(Reference{}), p.plain(), 1e-7, 1e-7);  // one rounding to f32
  }
}

#if MOLMO_HAS_XSIMD
TEST_CASE("attention on Xsimd: every group, head size, context and number of tokens") {
  Random random(2);
  const Xsimd<> cpu;
  for (const index_t group : {1, 2, 3, 4, 5, 8})
    for (const index_t kv : {1, 2})
      for (const index_t head_dim : {2, 8, 12, 48, 72, 80, 128}) {
        const index_t pasts[] = {0, 1, 63, 64, 65, 200};
        const index_t tokens[] = {1, 2, 3, 7, 33};
        // All contexts with one number of tokens, all numbers of tokens with one context: the rest repeats.
        for (const index_t past : pasts) {
          const Problem p(random, group % 2 ? 3 : 2, past, group * kv, kv, head_dim);
          CAPTURE(group, kv, head_dim, past);
          REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), allowed(p));
        }
        for (const index_t t : tokens) {
          const Problem p(random, t, head_dim == 12 ? 61 : 0, group * kv, kv, head_dim);
          CAPTURE(group, kv, head_dim, t);
          REQUIRE_CLOSE(p.run(cpu), p.run(Reference{}), allowed(p));
        }
      }
}

TEST_CASE("attention on Xsimd: every even head size up to 128") {
  Random random(3);
  for (index_t head_dim = 2; head_dim <= 128; head_dim += 2) {
    const Problem grouped(random, 2, 9, 5, 1, head_dim), plain(random, 4, 66, 2, 2, head_dim);
    CAPTURE(head_dim);
    REQUIRE_CLOSE(grouped.run(Xsimd<>()), grouped.run(Reference{}), allowed(grouped));
    REQUIRE_CLOSE(plain.run(Xsimd<>()), plain.run(Reference{}), allowed(plain));
  }
}

TEST_CASE("attention on Xsimd: scores of +-1e4 neither overflow nor vanish") {
  Random random(4);
  for (const index_t group : {1, 3})
    for (const index_t past : {0, 130}) {
      // Scores are q . k / sqrt(d): operands of size 100 and 16 of them give up to 4e4.
      const Problem p(random, 5, past, group * 2, 2, 16, 100);
      const auto got = p.run(Xsimd<>()), want = p.run(Reference{});
      for (const float x : got) REQUIRE(std::isfinite(x));
      // A score of 1e4 has an ulp of 1e-3, so where two are close the weights differ by as much.
      REQUIRE_CLOSE(got, want, 2 * allowed(p, 100));
      // Made large and unequal they are decided: all weight on one key, which is found exactly.
      Problem one(random, 1, past, group, 1, 16);
      for (index_t i = 0; i < 16; ++i) {
        for (index_t h = 0; h < group; ++h) one.q[Problem::at(h * 16 + i)] = 100;
        for (index_t j = 0; j <= past; ++j) one.k[Problem::at(j * 16 + i)] = j == past / 2 ? 25.0f : -25.0f;  // +-1e4
      }
      const auto out = one.run(Xsimd<>());
      for (index_t h = 0; h < group; ++h)
        for (index_t i = 0; i < 16; ++i) REQUIRE(out[Problem::at(h * 16 + i)] == one.v[Problem::at(past / 2 * 16 + i)]);
    }
}

TEST_CASE("attention on Xsimd: NaN at a position does not reach the tokens before it, and reaches those after it") {
  Random random(5);
  for (const index_t group : {1, 2, 3})
    for (const index_t past : {0, 60, 64}) {
      Problem p(random, 9, past, group * 2, 2, 10);
      const index_t bad = past + 4;  // the fifth new token
      for (index_t h = 0; h < 2; ++h)
        for (index_t i = 0; i < 10; ++i) {
          p.k[Problem::at((h * p.capacity + bad) * 10 + i)] = poison;
          p.v[Problem::at((h * p.capacity + bad) * 10 + i)] = poison;
        }
      const auto got = p.run(Xsimd<>());
      CAPTURE(group, past);
      for (index_t t = 0; t < 9; ++t)
        for (index_t i = 0; i < group * 2 * 10; ++i) REQUIRE(std::isnan(got[Problem::at(t * p.out_token + i)]) == (t >= 4));
    }
}

TEST_CASE("attention on Xsimd: a token has the same bits alone and among others") {
  Random random(6);
  for (const index_t group : {1, 2, 3, 4, 5})
    for (const index_t past : {0, 62, 100}) {
      const Problem p(random, 8, past, group * 2, 2, 20);
      const auto all = p.run(Xsimd<>());
      for (index_t t = 0; t < 8; ++t) {
        std::vector<float> out(Problem::at(p.out_token), -7.0f);
        attention(Xsimd<>(), AttentionRows{p.q.data() + t * p.q_token, out.data(), p.k.data(), p.v.data(), 1, past + t, p.heads, 2, 20,
                                           p.q_token, p.out_token, p.capacity * 20, p.scale});
        CAPTURE(group, past, t);
        REQUIRE_SAME_BITS(out, std::vector<float>(all.begin() + t * p.out_token, all.begin() + (t + 1) * p.out_token));
      }
    }
}

TEST_CASE("attention on Xsimd: the same bits for any number of threads", "[threads]") {
  Random random(7);
  for (const index_t group : {1, 4})
    for (const auto& [tokens, past] : {std::array<index_t, 2>{33, 100}, {1, 700}, {3, 500}}) {
      const Problem p(random, tokens, past, group * 4, 4, 48);
      const auto one = p.run(Xsimd<>(1));
      for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(p.run(Xsimd<>(threads)), one);
    }
}

TEST_CASE("attention on Xsimd: between the rows of the output nothing is written") {
  Random random(8);
  const Problem p(random, 3, 5, 4, 2, 14);
  const auto got = p.run(Xsimd<>());
  for (index_t t = 0; t < 3; ++t)
    for (index_t i = 4 * 14; i < p.out_token; ++i) REQUIRE(got[Problem::at(t * p.out_token + i)] == -7.0f);
}
#endif
