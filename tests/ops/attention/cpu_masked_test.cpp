// SPDX-License-Identifier: Apache-2.0
// Attention with masks and score edits on Xsimd (also with the registers of SSE4.2 and AVX2) against dense matrices in
// double precision: random masks and edits, every format of the cache and tensors with gaps, head widths 8 ... 576, the
// values' width another than the keys'; nothing that is not seen matters; the same bits from any number of threads.
#include <molmo/cpu.hpp>
#include <molmo/ops/attention/cpu_masked.hpp>
#include <molmo/ops/attention/image_masks.hpp>
#include <molmo/ops/attention/sparse_masks.hpp>

#include "ops/attention/dense.hpp"

using namespace molmo;
using namespace molmo_test;

namespace {

using Narrow = Xsimd<xsimd::sse4_2>;
#if MOLMO_AVX2
using Middle = Xsimd<xsimd::fma3<xsimd::avx2>>;
#else
using Middle = Narrow;
#endif
constexpr KvFormat formats[] = {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8};

// Pairs by a hash of their positions and head: nothing about it is regular.
struct Noise {
  std::uint64_t seed;
  index_t of_16;  // are seen
  bool sees(index_t q, index_t k, index_t h) const {
    std::uint64_t x = seed ^ (static_cast<std::uint64_t>(q) << 40) ^ (static_cast<std::uint64_t>(k) << 8) ^ static_cast<std::uint64_t>(h);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return static_cast<index_t>((x >> 33) % 16) < of_16;
  }
};

// One kind of mask for many problems: a few masks in one type, so that kernels are compiled once.
struct AnyMask {
  int kind = 0;
  Noise noise{1, 8};
  const std::int32_t* ids = nullptr;

  auto sparse() const { return bigbird(24, 3, 32, 2, 5, 4096); }
  bool sees(index_t q, index_t k, index_t h) const {
    switch (kind) {
      case 0: return causal.keys(q).end > k;
      case 1: return (causal && within(70)).sees(q, k);
      case 2: return noise.sees(q, k, h);
      case 3: return (causal || prefix(33)).sees(q, k);
      case 4: return (causal && documents(ids)).sees(q, k);
      case 5: return sparse().sees(q, k);
      case 6: return (k <= q && noise.sees(q / 64, k / 64, 0)) || q == k;
      default: return true;
    }
  }
  Sees over(const MaskTile& t) const {
    switch (kind) {
      case 0: return molmo::detail::mask_over(causal, t);
      case 1: return (causal && within(70)).over(t);
      case 3: return (causal || prefix(33)).over(t);
      case 4: return (causal && documents(ids)).over(t);
      case 5: return sparse().over(t);
      default: return kind > 6 ? Sees::all : Sees::some;
    }
  }

};

}  // namespace

namespace molmo {
template <>
inline constexpr bool enable_mask<AnyMask> = true;
}  // namespace molmo

namespace {

void check(const DenseProblem& p, const AnyMask& mask, bool other_registers = true) {
  CAPTURE(mask.kind, p.s.queries, p.s.keys, p.s.heads, p.s.kv_heads, p.s.dq, p.s.dv, p.s.cache, kv_format_name(p.s.format));
  const auto want = p.dense([&](index_t q, index_t k, index_t h) { return mask.sees(q, k, h); }, KeepScore{});
  const auto compare = [&](const auto& cpu) {
    const auto got = p.run(cpu, mask, score);
    REQUIRE_CLOSE(got.out, want.out, allowed(p.s));
    REQUIRE_CLOSE(got.lse, want.lse, 2 * allowed(p.s), 1e-6);
  };
  compare(Xsimd<>());
  if (!other_registers) return;
  compare(Narrow());
  compare(Middle());
}

}  // namespace

TEST_CASE("masked attention on Xsimd: random masks over every format of the cache and over tensors") {
  Random random(1);
  std::vector<std::int32_t> ids(4096);
  for (std::size_t i = 1; i < ids.size(); ++i) ids[i] = ids[i - 1] + (random.between(0, 25) == 0);
  for (int kind = 0; kind < 8; ++kind)
    for (int i = 0; i < 6; ++i)
      for (int source = 0; source < 5; ++source) {
        const index_t widths[] = {8, 16, 20, 40, 64, 72};
        AttendSizes s;
        s.kv_heads = random.between(1, 2), s.heads = s.kv_heads * random.between(1, 5);
        s.queries = i % 3 == 0 ? 1 : random.between(1, 60);
        s.keys = random.between(1, i % 3 == 0 ? 1200 : 200);
        s.dq = s.dv = widths[random.between(0, 5)];
        s.cache = source < 4, s.format = formats[source % 4];
        DenseProblem p(random, s);
        if (s.keys < s.queries) p.a.first_query = random.between(0, 50);
        check(p, {kind, {random.bits(), random.between(0, 16)}, ids.data()}, i < 4);
      }
}

TEST_CASE("masked attention on Xsimd: head widths 8 ... 576, values as wide as keys and not") {
  Random random(2);
  for (const auto& [dq, dv] : {std::pair<index_t, index_t>{8, 8}, {8, 40}, {40, 40}, {64, 64}, {72, 72}, {80, 80}, {96, 96},
                               {128, 128}, {192, 128}, {256, 256}, {576, 512}, {1024, 1024}, {5, 3}, {33, 130}, {1030, 8}})
    for (const index_t group : {1, 4})
      for (const bool cache : {true, false})
        for (const auto& [n, m] : {std::pair<index_t, index_t>{1, 130}, {29, 90}, {60, 64}}) {
          const DenseProblem p(random, {.queries = n, .keys = m, .heads = group, .kv_heads = 1, .dq = dq, .dv = dv, .cache = cache});
          check(p, {1 + static_cast<int>(n % 3), {7, 9}, nullptr}, dq < 200);
        }
}

TEST_CASE("masked attention on Xsimd: units of many rows, and many kv heads") {
  Random random(3);
  for (const auto& [n, group, kv] : {std::array<index_t, 3>{400, 2, 1}, {700, 1, 3}, {130, 8, 2}})
    for (const bool cache : {true, false}) {
      const DenseProblem p(random, {.queries = n, .keys = n, .heads = group * kv, .kv_heads = kv, .dq = 24, .dv = 16, .cache = cache});
      for (const int kind : {0, 1, 6, 7}) check(p, {kind, {3, 5}, nullptr}, false);
    }
}

TEST_CASE("masked attention on Xsimd: NaN at a position reaches those that see it and nobody else") {
  Random random(4);
  for (int source = 0; source < 5; ++source)
    for (const index_t d : {8, 16, 20, 64, 80})
      for (const index_t group : {1, 3})
        for (const auto& [n, m] : {std::pair<index_t, index_t>{1, 700}, {30, 150}}) {
          DenseProblem p(random, {.queries = n, .keys = m, .heads = group * 2, .kv_heads = 2, .dq = d, .dv = d, .cache = source < 4, .format = formats[source % 4]});
          for (int i = 0; i < 3; ++i) p.poison_position(random.between(0, m - 1));
          p.store();
          for (const int kind : {0, 1, 2, 6}) check(p, {kind, {random.bits(), kind == 2 ? 3 : 5}, nullptr});
        }
}

TEST_CASE("masked attention on Xsimd: rows that see nothing are 0, their lse -infinity; with a sink, the sink") {
  Random random(5);
  for (const bool cache : {true, false}) {
    const DenseProblem p(random, {.queries = 40, .keys = 100, .heads = 6, .kv_heads = 2, .dq = 24, .dv = 40, .cache = cache});
    const auto odd = [](index_t q, index_t k) { return q % 2 == 0 && k % 7 < 3; };
    for (const bool sink : {false, true}) {
      const auto want = p.dense([&](index_t q, index_t k, index_t) { return odd(q, k); }, KeepScore{}, sink);
      const auto got = p.run(Xsimd<>(), mask(odd), score, sink);
      REQUIRE_CLOSE(got.out, want.out, allowed(p.s));
      REQUIRE_CLOSE(got.lse, want.lse, 2e-6, 1e-6);
      const auto none = p.run(Xsimd<>(), !bidirectional, score, sink);
      for (index_t i = 0; i < 40 * 6; ++i)
        REQUIRE(none.lse[DenseProblem::at(i)] == (sink ? Approx(p.sinks[DenseProblem::at(i % 6)]).epsilon(1e-6) : Approx(-std::numeric_limits<float>::infinity())));
      for (index_t t = 0; t < 40; ++t)
        for (index_t i = 0; i < 6 * 40; ++i) REQUIRE(none.out[DenseProblem::at(t * (6 * 40 + 5) + i)] == 0);
    }
  }
}

TEST_CASE("masked attention on Xsimd: the causal mask gives what attention over a cache gives") {
  Random random(6);
  for (const KvFormat format : formats)
    for (const auto& [n, past] : {std::pair<index_t, index_t>{1, 300}, {70, 0}, {33, 90}}) {
      const DenseProblem p(random, {.queries = n, .keys = past + n, .heads = 6, .kv_heads = 2, .dq = 48, .dv = 48, .format = format});
      KvHeads cache = p.a.key_cache;
      cache.v = p.a.value_cache.v, cache.v_scales = p.a.value_cache.v_scales;
      std::vector<float> out(DenseProblem::at(n * 293), -7.0f);
      AttentionRows rows;
      rows.q = p.q.data(), rows.out = out.data(), rows.kv = cache, rows.tokens = n, rows.past = past;
      rows.n_heads = 6, rows.n_kv_heads = 2, rows.q_token = 293, rows.out_token = 293, rows.scale = p.a.scale;
      attention(Xsimd<>(), rows);
      REQUIRE_CLOSE(p.run(Xsimd<>(), causal, score).out, out, 2e-6);
    }
}

TEST_CASE("masked attention on Xsimd: the same bits for any number of threads", "[threads]") {
  Random random(7);
  for (const bool cache : {true, false})
    for (const auto& [n, m] : {std::pair<index_t, index_t>{1, 900}, {90, 300}, {300, 300}}) {
      const DenseProblem p(random, {.queries = n, .keys = m, .heads = 8, .kv_heads = 4, .dq = 40, .dv = 24, .cache = cache});
      for (const int kind : {1, 2, 5}) {
        const AnyMask mask{kind, {11, 6}, nullptr};
        const auto one = p.run(Xsimd<>(1), mask, softcap(score, 3.0));
        for (const int threads : {2, 3}) {
          const auto more = p.run(Xsimd<>(threads), mask, softcap(score, 3.0));
          REQUIRE_SAME_BITS(more.out, one.out);
          REQUIRE_SAME_BITS(more.lse, one.lse);
        }
      }
    }
}

TEST_CASE("masked attention on Xsimd: scores of +-1e4 neither overflow nor vanish") {
  Random random(8);
  const DenseProblem p(random, {.queries = 20, .keys = 150, .heads = 2, .kv_heads = 2, .dq = 16, .dv = 16, .size = 100});
  const auto want = p.dense([](index_t q, index_t k, index_t) { return k <= q; }, KeepScore{});
  // A score of 1e4 has an ulp of 1e-3, so where two are close the weights differ by as much.
  REQUIRE_CLOSE(p.run(Xsimd<>(), causal, score).out, want.out, 2 * allowed(p.s));
}

TEST_CASE("masked attention on Xsimd: no queries and no keys") {
  Random random(9);
  const DenseProblem p(random, {.queries = 3, .keys = 5, .heads = 2, .kv_heads = 1, .dq = 8, .dv = 8, .cache = false});
  std::vector<float> out(48, -7.0f), lse(6, 3.0f);
  AttentionOperands a = p.a;
  a.out = HeadRows<float>::dense(out.data(), 3, 2, 8), a.lse = lse.data();
  a.k.tokens = a.v.tokens = 0, a.first_query = 4;
  attention(Xsimd<>(), a, causal);
  for (const float x : out) CHECK(x == 0);
  for (const float x : lse) CHECK(x == -std::numeric_limits<float>::infinity());
  a.q.tokens = a.out.tokens = 0;
  attention(Xsimd<>(), a, causal);
}
