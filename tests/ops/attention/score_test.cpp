// SPDX-License-Identifier: Apache-2.0
// Score edits against formulas written here, on Reference and Xsimd, over a cache and tensors.
#include <molmo/expr/formula.hpp>
#include <molmo/expr/where.hpp>
#include <molmo/ops/attention/masked.hpp>
#include <molmo/ops/attention/t5_bias.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "ops/attention/dense.hpp"

using namespace molmo;
using namespace molmo_test;

namespace {

template <class E, class Plain>
void check(const DenseProblem& p, const E& edit, const Plain& plain, double more = 0) {
  const auto rule = [](index_t q, index_t k, index_t) { return k <= q; };
  const auto want = p.dense(rule, plain);
  const auto loops = p.run(Reference{}, causal, edit);
  REQUIRE_CLOSE(loops.out, want.out, 1e-6);
  REQUIRE_CLOSE(loops.lse, want.lse, 1e-6, 1e-6);
#if MOLMO_HAS_XSIMD
  const auto compare = [&](const auto& cpu) {
    const auto got = p.run(cpu, causal, edit);
    REQUIRE_CLOSE(got.out, want.out, allowed(p.s) + more);
    REQUIRE_CLOSE(got.lse, want.lse, allowed(p.s) + more, 1e-6);
  };
  compare(Xsimd<>());
  compare(Xsimd<xsimd::sse4_2>());
#else
  (void)more;
#endif
}

}  // namespace

TEST_CASE("score edits: every leaf, and functions of the language") {
  Random random(1);
  for (int source = 0; source < 3; ++source)
    for (const auto& [n, m] : {std::pair<index_t, index_t>{1, 75}, {40, 75}, {70, 70}}) {
      AttendSizes s{.queries = n, .keys = m, .heads = 6, .kv_heads = 2, .dq = 24, .dv = 16, .cache = source < 2, .size = 2};
      if (source == 1) s.format = KvFormat::q8;
      DenseProblem p(random, s);
      const auto at = DenseProblem::at;
      CAPTURE(source, n, m);
      check(p, softcap(score, 1.5), [](double x, index_t, index_t, index_t, index_t) { return 1.5 * std::tanh(x / 1.5); });
      check(p, score * 0.25f - exp(-square(score)),
            [](double x, index_t, index_t, index_t, index_t) { return 0.25 * x - std::exp(-x * x); });
      check(p, where(key_position < query_position - 5, score * 2, score),
            [](double x, index_t, index_t q, index_t k, index_t) { return k < q - 5 ? 2 * x : x; });
      std::vector<float> slopes(6);
      alibi_slopes(6, slopes.data());
      check(p, alibi(slopes.data()), [&](double x, index_t, index_t q, index_t k, index_t h) {
        return x - static_cast<double>(slopes[at(h)]) * static_cast<double>(q - k);
      });
      check(p, score - per_head(slopes.data()) * abs(key_position - query_position),
            [&](double x, index_t, index_t q, index_t k, index_t h) {
              return x - static_cast<double>(slopes[at(h)]) * static_cast<double>(std::abs(q - k));
            });
      const std::vector<float> bias = random.numbers(6 * n * m, 3);
      check(p, score + score_bias(bias.data(), m), [&](double x, index_t i, index_t, index_t k, index_t) {
        return x + static_cast<double>(bias[at(i * m + k)]);
      });
      check(p, score_bias(bias.data(), m, n * m) + score, [&](double x, index_t i, index_t, index_t k, index_t h) {
        return x + static_cast<double>(bias[at((h * n + i) * m + k)]);
      });
      Tensor<float, dyn, 75> matrix{n};
      Tensor<float, 75> row;
      Tensor<float, dyn> column{n};
      for (index_t i = 0; i < matrix.size(); ++i) matrix[i] = random.number(2);
      for (index_t i = 0; i < 75; ++i) row[i] = random.number(2);
      for (index_t i = 0; i < n; ++i) column[i] = random.number(2);
      if (m == 75)
        check(p, score + matrix * row - column, [&](double x, index_t i, index_t, index_t k, index_t) {
          return x + static_cast<double>(matrix(i, k)) * static_cast<double>(row[k]) - static_cast<double>(column[i]);
        });
      for (const index_t reach : {5, 20, 100}) {
        const std::vector<float> table = random.numbers(6 * (2 * reach + 1));
        check(p, score + relative_bias(table.data(), reach), [&](double x, index_t, index_t q, index_t k, index_t h) {
          const index_t d = k - q < -reach ? -reach : k - q > reach ? reach : k - q;
          return x + static_cast<double>(table[at(h * (2 * reach + 1) + reach + d)]);
        });
      }
    }
}

TEST_CASE("score edits: -infinity hides a key as a mask does, and positions may start anywhere") {
  Random random(2);
  DenseProblem p(random, {.queries = 20, .keys = 70, .heads = 2, .kv_heads = 2, .dq = 16, .dv = 16});
  std::vector<float> bias(20 * 70);
  for (float& x : bias) x = random.between(0, 3) == 0 ? 0.0f : -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < 70; ++i) bias[5 * 70 + i] = -std::numeric_limits<float>::infinity();  // a row of nothing
  check(p, score + score_bias(bias.data(), 70), [&](double x, index_t i, index_t, index_t k, index_t) {
    return x + static_cast<double>(bias[DenseProblem::at(i * 70 + k)]);
  });
  p.a.first_query = 1000, p.a.first_key = 960;
  check(p, score + 0.01f * (key_position - query_position), [](double x, index_t, index_t q, index_t k, index_t) {
    return x + 0.01 * static_cast<double>(k - q);
  });
}

TEST_CASE("score edits: the slopes of ALiBi are those of the paper") {
  std::vector<float> s(12);
  alibi_slopes(8, s.data());
  for (int h = 0; h < 8; ++h) CHECK(s[static_cast<std::size_t>(h)] == std::exp2(static_cast<float>(-(h + 1))));
  alibi_slopes(12, s.data());  // 8 of a power of two, then every other of 16
  CHECK(s[7] == std::exp2(-8.0f));
  CHECK(s[8] == std::exp2(-0.5f));
  CHECK(s[11] == std::exp2(-3.5f));
}

TEST_CASE("score edits are written as their formulas") {
  CHECK(formula(softcap(score, 50) + key_position) == "softcap(score, 50) + key_position");
}
