// SPDX-License-Identifier: Apache-2.0
// Attention with masks and score edits: Reference against dense matrices in double precision, written in dense.hpp.
#include <molmo/expr/activations.hpp>
#include <molmo/ops/attention/masked.hpp>
#include <molmo/ops/attention/sparse_masks.hpp>

#include "ops/attention/dense.hpp"

using namespace molmo;
using namespace molmo_test;

TEST_CASE("masked attention: the meaning is softmax of the seen and edited scores times the values") {
  Random random(1);
  for (const bool cache : {true, false})
    for (const auto& [n, m] : {std::pair<index_t, index_t>{1, 1}, {1, 40}, {7, 7}, {5, 30}, {9, 4}})
      for (const index_t group : {1, 3}) {
        const DenseProblem p(random, {.queries = n, .keys = m, .heads = 2 * group, .kv_heads = 2, .dq = 12, .dv = 7, .cache = cache});
        CAPTURE(cache, n, m, group);
        const auto check = [&](const auto& mask, const auto& rule, const auto& edit, const auto& plain, bool sink) {
          const auto got = p.run(Reference{}, mask, edit, sink);
          const auto want = p.dense(rule, plain, sink);
          REQUIRE_CLOSE(got.out, want.out, 1e-7, 1e-7);  // one rounding to f32
          REQUIRE_CLOSE(got.lse, want.lse, 1e-7, 1e-7);
        };
        check(bidirectional, [](index_t, index_t, index_t) { return true; }, score, KeepScore{}, false);
        check(causal && within(4), [](index_t q, index_t k, index_t) { return k <= q && k > q - 4; }, score, KeepScore{}, true);
        check(causal && !chunked(3), [](index_t q, index_t k, index_t) { return k <= q && q / 3 != k / 3; },
              softcap(score, 0.4) + 0.5f * (key_position - query_position),
              [](double s, index_t, index_t q, index_t k, index_t) {
                return 0.4 * std::tanh(s / 0.4) + 0.5 * static_cast<double>(k - q);
              }, false);
      }
}

TEST_CASE("masked attention: a row that sees nothing is 0 and its lse -infinity, or the sink") {
  Random random(2);
  const DenseProblem p(random, {.queries = 6, .keys = 20, .heads = 2, .kv_heads = 1, .dq = 8, .dv = 8});
  const auto never = mask([](index_t q, index_t) { return q % 2 == 0; });  // positions 14 ... 19
  const auto got = p.run(Reference{}, never, score), sunk = p.run(Reference{}, never, score, true);
  for (index_t i = 1; i < 6; i += 2)
    for (index_t h = 0; h < 2; ++h) {
      CHECK(got.lse[DenseProblem::at(i * 2 + h)] == -std::numeric_limits<float>::infinity());
      CHECK(sunk.lse[DenseProblem::at(i * 2 + h)] == Approx(p.sinks[DenseProblem::at(h)]));
      for (index_t c = 0; c < 8; ++c) {
        CHECK(got.out[DenseProblem::at(i * 21 + h * 8 + c)] == 0);
        CHECK(sunk.out[DenseProblem::at(i * 21 + h * 8 + c)] == 0);
      }
    }
}

TEST_CASE("masked attention: sizes that do not fit are a contract_error") {
  Random random(3);
  const DenseProblem p(random, {.queries = 2, .keys = 4, .heads = 4, .kv_heads = 2, .dq = 8, .dv = 6, .cache = false});
  std::vector<float> out(48);
  AttentionOperands a = p.a;
  a.out = HeadRows<float>::dense(out.data(), 2, 4, 6);
  CHECK_NOTHROW(attention(Reference{}, a, causal));
  AttentionOperands b = a;
  b.q.heads = 3;
  CHECK_THROWS_AS(attention(Reference{}, b, causal), contract_error);
  b = a, b.out.width = 8;
  CHECK_THROWS_AS(attention(Reference{}, b, causal), contract_error);
  b = a, b.k.width = 7;
  CHECK_THROWS_AS(attention(Reference{}, b, causal), contract_error);
  b = a, b.v.tokens = 3;
  CHECK_THROWS_AS(attention(Reference{}, b, causal), contract_error);
  b = a, b.k.data = nullptr;
  CHECK_THROWS_AS(attention(Reference{}, b, causal), contract_error);
  b = a, b.out.data = const_cast<float*>(p.a.q.data);
  CHECK_THROWS_AS(attention(Reference{}, b, causal), contract_error);
}
