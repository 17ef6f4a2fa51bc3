// SPDX-License-Identifier: Apache-2.0
// Ring attention of 1 ... 4 ranks, contiguous and zig-zag, against attention over the whole sequence: Reference and
// Xsimd, causal and other masks, lengths that no number of ranks divides.
#include <molmo/ops/attention/ring.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr index_t heads = 4, kv_heads = 2, dq = 12, dv = 20;
std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

struct Sequence {
  index_t n;
  std::vector<float> q, k, v;
  Sequence(Random& random, index_t tokens)
      : n(tokens), q(random.numbers(n * heads * dq)), k(random.numbers(n * kv_heads * dq)), v(random.numbers(n * kv_heads * dv)) {}
};
struct Result {
  std::vector<float> out, lse;
};

template <class Ctx, class M, class S>
Result whole(const Ctx& ctx, const Sequence& s, const M& mask, const S& edit) {
  Result r{std::vector<float>(at(s.n * heads * dv)), std::vector<float>(at(s.n * heads))};
  AttentionOperands a;
  a.q = HeadRows<const float>::dense(s.q.data(), s.n, heads, dq);
  a.k = HeadRows<const float>::dense(s.k.data(), s.n, kv_heads, dq);
  a.v = HeadRows<const float>::dense(s.v.data(), s.n, kv_heads, dv);
  a.out = HeadRows<float>::dense(r.out.data(), s.n, heads, dv);
  a.lse = r.lse.data(), a.scale = 0.3f;
  attention(ctx, a, mask, edit);
  return r;
}

template <class Ctx, class M, class S>
Result ring(const std::vector<Ctx>& ctx, const Sequence& s, RingLayout layout, const M& mask, const S& edit) {
  Result r{std::vector<float>(at(s.n * heads * dv), -7.0f), std::vector<float>(at(s.n * heads), -7.0f)};
  const auto ranks = static_cast<index_t>(ctx.size());
  std::vector<RingRank> all(ctx.size());
  std::vector<std::vector<float>> memory;
  for (index_t rank = 0; rank < ranks; ++rank) {
    const RingShare share = RingShare::of(layout, s.n, rank, ranks);
    RingRank& own = all[at(rank)];
    for (index_t i = 0; i < share.pieces; ++i) {
      const auto [begin, count] = share.piece[i];
      own.q[i] = HeadRows<const float>::dense(s.q.data() + begin * heads * dq, count, heads, dq);
      own.own.k[i] = HeadRows<const float>::dense(s.k.data() + begin * kv_heads * dq, count, kv_heads, dq);
      own.own.v[i] = HeadRows<const float>::dense(s.v.data() + begin * kv_heads * dv, count, kv_heads, dv);
      own.out[i] = HeadRows<float>::dense(r.out.data() + begin * heads * dv, count, heads, dv);
      own.lse[i] = r.lse.data() + begin * heads;
    }
    memory.emplace_back(at(s.n * heads * dv));
    own.part = memory.back().data();
    memory.emplace_back(at(s.n * heads));
    own.part_lse = memory.back().data();
  }
  ring_attention(ctx, all, layout, s.n, 0.3f, mask, edit);
  return r;
}

template <class Ctx>
void check(const Ctx& ctx, double allowed) {
  Random random(1);
  for (const index_t n : {1, 7, 61, 128})
    for (const index_t ranks : {1, 2, 3, 4})
      for (const RingLayout layout : {RingLayout::contiguous, RingLayout::zigzag}) {
        const Sequence s(random, n);
        const std::vector<Ctx> all(at(ranks), ctx);
        CAPTURE(n, ranks, layout);
        const auto compare = [&](const auto& mask, const auto& edit) {
          const Result got = ring(all, s, layout, mask, edit), want = whole(ctx, s, mask, edit);
          REQUIRE_CLOSE(got.out, want.out, allowed);
          REQUIRE_CLOSE(got.lse, want.lse, allowed, 1e-6);
        };
        compare(causal, score);
        compare(bidirectional, softcap(score, 2));
        compare(causal && within(20), score + 0.1f * (key_position - query_position));
        compare(mask([](index_t q, index_t k) { return q % 5 != 0 && k % 3 == 0; }), score);  // some rows see nothing
      }
}

}  // namespace

TEST_CASE("ring attention: shares of the ranks are the whole sequence, once") {
  for (const RingLayout layout : {RingLayout::contiguous, RingLayout::zigzag})
    for (index_t n = 0; n < 40; ++n)
      for (index_t ranks = 1; ranks < 6; ++ranks) {
        std::vector<int> seen(at(n));
        index_t most = 0, least = n;
        for (index_t r = 0; r < ranks; ++r) {
          const RingShare share = RingShare::of(layout, n, r, ranks);
          index_t own = 0;
          for (index_t i = 0; i < share.pieces; ++i)
            for (index_t t = 0; t < share.piece[i].count; ++t) ++seen[at(share.piece[i].begin + t)], ++own;
          most = own > most ? own : most, least = own < least ? own : least;
        }
        for (const int times : seen) REQUIRE(times == 1);
        REQUIRE(most - least <= 2);
      }
  const RingShare first = RingShare::of(RingLayout::zigzag, 80, 0, 4);
  CHECK((first.piece[0].begin == 0 && first.piece[1].begin == 70 && first.piece[1].count == 10));
}

// Weighted sums of weights of at most 1, added in another order: a few roundings of f32.
TEST_CASE("ring attention of plain loops is whole attention") { check(Reference{}, 1e-6); }

#if MOLMO_HAS_XSIMD
TEST_CASE("ring attention on Xsimd is whole attention", "[threads]") {
  check(Xsimd<>(), 3e-6);
  Random random(2);
  const Sequence s(random, 700);
  const std::vector<Xsimd<>> all{Xsimd<>(2), Xsimd<>(1), Xsimd<>(2)};  // ranks with threads of their own
  for (const RingLayout layout : {RingLayout::contiguous, RingLayout::zigzag}) {
    const Result got = ring(all, s, layout, causal, score), want = whole(Xsimd<>(), s, causal, score);
    REQUIRE_CLOSE(got.out, want.out, 3e-6);
    REQUIRE_CLOSE(got.lse, want.lse, 3e-6, 1e-6);
    const Result again = ring(all, s, layout, causal, score);
    REQUIRE_SAME_BITS(again.out, got.out);  // the order of the parts is fixed
  }
}
#endif

TEST_CASE("ring attention: a rank that fails is an exception of the call") {
  Random random(3);
  const Sequence s(random, 8);
  const std::vector<Reference> ctx(2);
  std::vector<RingRank> ranks(2);  // without queries, keys and values
  std::vector<float> lse(32), part(8 * heads * dv);
  for (RingRank& r : ranks) {
    r.q[0] = HeadRows<const float>::dense(s.q.data(), 4, heads, dq);
    r.lse[0] = r.part_lse = lse.data(), r.part = part.data();
  }
  CHECK_THROWS_AS(ring_attention(ctx, ranks, RingLayout::contiguous, 8, 1, causal), contract_error);
  CHECK_THROWS_AS(ring_attention(std::vector<Reference>(1), ranks, RingLayout::contiguous, 8, 1, causal), contract_error);
}
