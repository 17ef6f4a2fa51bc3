// SPDX-License-Identifier: Apache-2.0
// Attention: Reference against a calculation written here with plain matrices, Xsimd (also with the registers of SSE4.2
// and AVX2) against Reference over all kinds of heads, contexts, lengths and cache formats; nothing that lies behind
// the visible keys matters; the same bits from any number of threads.
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
constexpr KvFormat formats[] = {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8};

// Operands with everything that must not matter poisoned: keys and values behind the last visible position, the gaps
// between rows of q, what follows the last value.
struct Problem {
  index_t tokens, past, heads, kv_heads, head_dim, q_token, out_token;
  std::vector<float> q;
  std::vector<float> k, v;  // [kv head][position][head_dim], as they were stored
  std::vector<std::byte> k_bytes, v_bytes;
  std::vector<float> k_scales, v_scales, scratch;
  KvHeads kv;
  float scale;

  Problem(Random& random, index_t tokens_, index_t past_, index_t heads_, index_t kv_heads_, index_t head_dim_,
          KvFormat format = KvFormat::f32, float size = 1)
      : tokens(tokens_),
        past(past_),
        heads(heads_),
        kv_heads(kv_heads_),
        head_dim(head_dim_),
        q_token(heads_ * head_dim_ + 3),
        out_token(heads_ * head_dim_ + 2),
        q(random.numbers(tokens_ * q_token, size)),
        k(random.numbers(kv_heads_ * (past_ + tokens_) * head_dim_, size)),
        v(random.numbers(kv_heads_ * (past_ + tokens_) * head_dim_)),
        scale(1.0f / std::sqrt(static_cast<float>(head_dim_))) {
    const index_t room = kv_room(past + tokens + 5);
    const std::size_t bytes = at((kv_heads * room * head_dim + 15) * kv_element_bytes(format));
    k_bytes.resize(bytes, std::byte{0xff});  // NaN as f32, f16 and bf16
    v_bytes.resize(bytes, std::byte{0xff});
    k_scales.resize(at(kv_heads * room), poison);
    v_scales.resize(at(kv_heads * room), poison);
    scratch.resize(attention_scratch(tokens, heads, kv_heads, head_dim), poison);
    kv = {k_bytes.data(), v_bytes.data(), k_scales.data(), v_scales.data(), room, head_dim, format};
    for (index_t t = 0; t < tokens; ++t)
      for (index_t i = heads * head_dim; i < q_token; ++i) q[at(t * q_token + i)] = poison;
    store();
  }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  // Element i of position j, for writing; store() brings it into the cache.
  float& key(index_t g, index_t j, index_t i) { return k[at((g * (past + tokens) + j) * head_dim + i)]; }
  float& value(index_t g, index_t j, index_t i) { return v[at((g * (past + tokens) + j) * head_dim + i)]; }
  void store() {
    for (index_t g = 0; g < kv_heads; ++g)
      for (index_t j = 0; j < past + tokens; ++j) {
        store_key(kv, g, j, &key(g, j, 0));
        store_value(kv, g, j, &value(g, j, 0));
      }
  }

  AttentionRows rows(float* out) const {
    AttentionRows a;
    a.q = q.data(), a.out = out, a.kv = kv;
    a.tokens = tokens, a.past = past, a.n_heads = heads, a.n_kv_heads = kv_heads;
    a.q_token = q_token, a.out_token = out_token, a.scale = scale;
    return a;
  }
  template <class Ctx>
  std::vector<float> run(const Ctx& ctx) const {
    std::vector<float> out(at(tokens * out_token), -7.0f);
    AttentionRows a = rows(out.data());
    std::vector<float> memory = scratch;
    a.scratch = memory.empty() ? nullptr : memory.data();
    attention(ctx, a);
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
              s += static_cast<double>(q[at(t * q_token + h * head_dim + i)]) * static_cast<double>(k[at((g * all + j) * head_dim + i)]);
            s *= static_cast<double>(scale);
          }
          p.push_back(s);
        }
        const double top = *std::max_element(p.begin(), p.end());
        double total = 0;
        for (double& x : p) total += x = std::exp(x - top);
        for (index_t i = 0; i < head_dim; ++i) {
          double sum = 0;
          for (index_t j = 0; j <= past + t; ++j) sum += p[at(j)] / total * static_cast<double>(v[at((g * all + j) * head_dim + i)]);
          out[at(t * out_token + h * head_dim + i)] = sum;
        }
      }
    return out;
  }
};

// Xsimd computes scores in f32 (their error is a few ulp of the largest score, which exp turns into a relative error),
// the sum of weights and the weighted sum of values (each at most 1 in size) too: 2e-6 for the sums, 4e-7 times the
// size of the scores.
[[maybe_unused]] double allowed(const Problem& p, float size = 1) {
  return 2e-6 + 4e-7 * static_cast<double>(size * size) * std::sqrt(static_cast<double>(p.head_dim));
}

}  // namespace

TEST_CASE("attention: the meaning is softmax of the visible scores times the values") {
  Random random(1);
  for (const auto& [tokens, past, heads, kv] : {std::array<index_t, 4>{1, 0, 1, 1}, {5, 0, 4, 4}, {3, 7, 6, 2}, {2, 70, 4, 1}})
    for (const index_t head_dim : {6, 8}) {
      const Problem p(random, tokens, past, heads, kv, head_dim);
      CAPTURE(tokens, past, heads, kv);
      REQUIRE_CLOSE(p.run(Reference{}), p.plain(), 1e-7, 1e-7);  // one rounding to f32
    }
}

#if MOLMO_HAS_XSIMD
namespace {

using Small = Xsimd<xsimd::sse4_2>;
#if MOLMO_AVX2
using Middle = Xsimd<xsimd::fma3<xsimd::avx2>>;
#else
using Middle = Small;
#endif

void check_all(const Problem& p, float size = 1) {
  const auto want = p.run(Reference{});
  CAPTURE(p.tokens, p.past, p.heads, p.kv_heads, p.head_dim, kv_format_name(p.kv.format));
  REQUIRE_CLOSE(p.run(Xsimd<>()), want, allowed(p, size));
  REQUIRE_CLOSE(p.run(Small()), want, allowed(p, size));
  REQUIRE_CLOSE(p.run(Middle()), want, allowed(p, size));
}

}  // namespace

TEST_CASE("attention on Xsimd: every group, head size, context and number of tokens") {
  Random random(2);
  for (const index_t group : {1, 2, 3, 4, 5, 7, 8})
    for (const index_t kv : {1, 2})
      for (const index_t head_dim : {2, 8, 12, 16, 48, 72, 80, 128}) {
        const index_t pasts[] = {0, 1, 15, 16, 63, 64, 65, 200};
        const index_t tokens[] = {1, 2, 3, 7, 33};
        // All contexts with one number of tokens, all numbers of tokens with one context: the rest repeats.
        for (const index_t past : pasts) check_all(Problem(random, group % 2 ? 3 : 2, past, group * kv, kv, head_dim));
        for (const index_t t : tokens) check_all(Problem(random, t, head_dim == 12 ? 61 : 0, group * kv, kv, head_dim));
      }
}

TEST_CASE("attention on Xsimd: every head size up to 128, odd ones too") {
  Random random(3);
  for (index_t head_dim = 1; head_dim <= 128; ++head_dim) {
    check_all(Problem(random, 2, 9, 5, 1, head_dim));
    check_all(Problem(random, 4, 66, 2, 2, head_dim));
  }
  for (const index_t head_dim : {192, 256, 520, 1024, 1030}) check_all(Problem(random, 9, 30, 2, 1, head_dim));
}

TEST_CASE("attention on Xsimd: every format of the cache, random shapes, contexts long enough to be split") {
  Random random(4);
  for (int i = 0; i < 60; ++i)
    for (const KvFormat format : formats) {
      const index_t sizes[] = {8, 10, 16, 48, 64, 80, 100, 128};
      const index_t kv = random.between(1, 3), group = random.between(1, 8);
      const index_t tokens = i % 3 == 0 ? 1 : random.between(1, 70);
      const index_t past = tokens > 8 ? random.between(0, 100) : random.between(0, 1500);
      check_all(Problem(random, tokens, past, kv * group, kv, sizes[random.between(0, 7)], format));
    }
}

TEST_CASE("attention on Xsimd: a split context is combined as if it were whole") {
  Random random(5);
  for (const KvFormat format : formats)
    for (const auto& [tokens, past, group] : {std::array<index_t, 3>{1, 1400, 4}, {3, 1100, 1}, {25, 2030, 2}, {1, 4200, 1}}) {
      const Problem p(random, tokens, past, group * 2, 2, 24, format);
      const AttentionSplit cut = AttentionSplit::of(tokens, group * 2, 2, 24, past + tokens, true);
      CHECK(cut.chunks > 1);
      CHECK(cut.chunk * cut.chunks >= past + tokens);
      std::vector<float> whole(Problem::at(tokens * p.out_token), -7.0f);
      attention(Xsimd<>(), p.rows(whole.data()));  // no scratch: not split
      REQUIRE_CLOSE(p.run(Xsimd<>()), whole, 2e-6);
      check_all(p);
    }
}

TEST_CASE("attention: the scratch memory does not grow with the context, and is as much as is used") {
  // At most 64 units: one token is 8 kv heads in 8 chunks.
  CHECK(attention_scratch(1, 32, 8, 128) == 32 * 8 * (128 + 16));
  CHECK(attention_scratch(1, 128, 128, 64) == 0);  // many heads are units enough
  CHECK(attention_scratch(512, 32, 8, 128) == 6 * 32 * 8 * (128 + 16));  // six tokens are 24 rows
}

TEST_CASE("attention on Xsimd: scores of +-1e4 neither overflow nor vanish") {
  Random random(6);
  for (const index_t head_dim : {12, 16})
    for (const index_t group : {1, 3})
      for (const index_t past : {0, 130}) {
        // Scores are q . k / sqrt(d): operands of size 100 and 16 of them give up to 4e4.
        const Problem p(random, 5, past, group * 2, 2, head_dim, KvFormat::f32, 100);
        const auto got = p.run(Xsimd<>()), want = p.run(Reference{});
        for (const float x : got) REQUIRE(std::isfinite(x));
        // A score of 1e4 has an ulp of 1e-3, so where two are close the weights differ by as much.
        REQUIRE_CLOSE(got, want, 2 * allowed(p, 100));
        // Made large and unequal they are decided: all weight on one key, which is found exactly.
        Problem one(random, 1, past, group, 1, head_dim);
        for (index_t i = 0; i < head_dim; ++i) {
          for (index_t h = 0; h < group; ++h) one.q[Problem::at(h * head_dim + i)] = 100;
          for (index_t j = 0; j <= past; ++j) one.key(0, j, i) = j == past / 2 ? 25.0f : -25.0f;  // +-1e4
        }
        one.store();
        const auto out = one.run(Xsimd<>());
        for (index_t h = 0; h < group; ++h)
          for (index_t i = 0; i < head_dim; ++i) REQUIRE(out[Problem::at(h * head_dim + i)] == one.value(0, past / 2, i));
      }
}

TEST_CASE("attention on Xsimd: scores that grow from key to key, and fall") {
  Random random(7);
  for (const float step : {0.05f, 1.0f, -1.0f, 20.0f, -20.0f}) {
    Problem p(random, 3, 300, 4, 2, 20);
    for (index_t g = 0; g < 2; ++g)
      for (index_t j = 0; j < 303; ++j)
        for (index_t i = 0; i < 20; ++i) p.key(g, j, i) = step * static_cast<float>(j);
    for (index_t t = 0; t < 3; ++t)
      for (index_t i = 0; i < 80; ++i) p.q[Problem::at(t * p.q_token + i)] = 0.05f;
    p.store();
    REQUIRE_CLOSE(p.run(Xsimd<>()), p.run(Reference{}), 1e-3);  // scores up to 1300, whose ulp is 1e-4
  }
}

TEST_CASE("attention on Xsimd: NaN at a position does not reach the tokens before it, and reaches those after it") {
  Random random(8);
  const auto check = [&](const auto& cpu, index_t head_dim, KvFormat format, index_t group, index_t past) {
    Problem p(random, 9, past, group * 2, 2, head_dim, format);
    const index_t bad = past + 4;  // the fifth new token
    for (index_t h = 0; h < 2; ++h)
      for (index_t i = 0; i < head_dim; ++i) p.key(h, bad, i) = p.value(h, bad, i) = poison;
    p.store();
    const auto got = p.run(cpu);
    CAPTURE(group, past, head_dim, kv_format_name(format));
    for (index_t t = 0; t < 9; ++t)
      for (index_t i = 0; i < group * 2 * head_dim; ++i) REQUIRE(std::isnan(got[Problem::at(t * p.out_token + i)]) == (t >= 4));
  };
  for (const KvFormat format : formats)
    for (const index_t head_dim : {8, 10, 16, 64})
      for (const index_t group : {1, 2, 3})
        for (const index_t past : {0, 60, 64, 1100}) {
          check(Xsimd<>(), head_dim, format, group, past);
          check(Small(), head_dim, format, group, past);
        }
}

TEST_CASE("attention on Xsimd: NaN of any payload in a query stays in its head") {
  Random random(9);
  for (const std::uint32_t bits : {0x7fc00000u, 0xffffffffu, 0x7fc00101u, 0xffc000ffu}) {
    Problem p(random, 2, 40, 4, 2, 24);
    p.q[5] = __builtin_bit_cast(float, bits);
    const auto got = p.run(Xsimd<>());
    for (index_t t = 0; t < 2; ++t)
      for (index_t i = 0; i < 96; ++i) REQUIRE(std::isnan(got[Problem::at(t * p.out_token + i)]) == (t == 0 && i < 24));
  }
}

TEST_CASE("attention on Xsimd: a token gives the same alone, in pieces and among others") {
  Random random(10);
  for (const index_t group : {1, 2, 3, 4, 5})
    for (const index_t past : {0, 62, 100}) {
      const Problem p(random, 70, past, group * 2, 2, 20);
      const auto all = p.run(Xsimd<>());
      for (const index_t piece : {1, 7, 32}) {
        std::vector<float> out(all.size(), -7.0f);
        for (index_t t = 0; t < 70; t += piece) {
          AttentionRows a = p.rows(out.data() + t * p.out_token);
          a.q += t * p.q_token, a.past += t;
          a.tokens = 70 - t < piece ? 70 - t : piece;
          attention(Xsimd<>(), a);
        }
        CAPTURE(group, past, piece);
        REQUIRE_CLOSE(out, all, allowed(p));
      }
    }
}

TEST_CASE("attention on Xsimd: the same bits for any number of threads", "[threads]") {
  Random random(11);
  for (const KvFormat format : formats)
    for (const index_t group : {1, 4})
      for (const auto& [tokens, past] : {std::array<index_t, 2>{33, 100}, {1, 700}, {3, 500}, {1, 3000}, {40, 1200}}) {
        const Problem p(random, tokens, past, group * 4, 4, 48, format);
        const auto one = p.run(Xsimd<>(1));
        for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(p.run(Xsimd<>(threads)), one);
      }
}

TEST_CASE("attention on Xsimd: between the rows of the output nothing is written") {
  Random random(12);
  for (const index_t past : {5, 1500}) {
    const Problem p(random, 3, past, 4, 2, 14);
    const auto got = p.run(Xsimd<>());
    for (index_t t = 0; t < 3; ++t)
      for (index_t i = 4 * 14; i < p.out_token; ++i) REQUIRE(got[Problem::at(t * p.out_token + i)] == -7.0f);
  }
}

TEST_CASE("attention on Xsimd: weights are powers of two") {
  const auto check = [](auto cpu) {
    using V = typename decltype(cpu)::lanes;
    double worst = 0;
    for (int i = -127 * 64; i <= 64 * 64; ++i) {
      const float y = static_cast<float>(i) / 64.0f + 0.003f;
      float out[16];
      molmo::detail::exp2_weight(V::broadcast(y)).store(out);
      const double want = std::exp2(static_cast<double>(y));
      if (y > -126.4f) worst = std::max(worst, std::abs(static_cast<double>(out[V::size - 1]) / want - 1));
      if (y < -126.6f) CHECK(out[0] == 0);
      if (i % 64 == 0) {
        molmo::detail::exp2_weight(V::broadcast(static_cast<float>(i / 64))).store(out);
        CHECK(out[0] == (i / 64 == -127 ? 0.0f : std::exp2(static_cast<float>(i / 64))));
      }
    }
    CHECK(worst < 4e-7);  // 1.5e-7 on both sides of a constant factor of 1.2e-7, and five roundings
    float out[16];
    molmo::detail::exp2_weight(V::broadcast(-std::numeric_limits<float>::infinity())).store(out);
    CHECK(out[0] == 0);
    molmo::detail::exp2_weight(V::broadcast(std::numeric_limits<float>::lowest())).store(out);
    CHECK(out[0] == 0);
  };
  check(Xsimd<>());
  check(Small());
  check(Middle());
}
#endif
