// SPDX-License-Identifier: Apache-2.0
// New heads on their way into the cache: rotated and stored in every format, in any split of heads and tokens, by any
// number of threads; what the formats keep of a number.
#include <molmo/ops/attention/new_heads.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <cmath>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr KvFormat formats[] = {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8};

struct Memory {
  std::vector<float> k, v, k_scales, v_scales;
  KvHeads heads;
  Memory(index_t kv_heads, index_t positions, index_t head_dim, KvFormat format) {
    heads.room = kv_room(positions), heads.head_dim = head_dim, heads.format = format;
    k.resize(static_cast<std::size_t>(kv_heads * heads.room * head_dim + 15), -1.0f);
    v = k;
    k_scales.resize(static_cast<std::size_t>(kv_heads * heads.room), -1.0f);
    v_scales = k_scales;
    heads.k = reinterpret_cast<std::byte*>(k.data()), heads.v = reinterpret_cast<std::byte*>(v.data());
    heads.k_scales = k_scales.data(), heads.v_scales = v_scales.data();
  }
};

}  // namespace

TEST_CASE("KvHeads: every element of every position has a place of its own") {
  for (const index_t head_dim : {2, 7, 8, 16, 48})
    for (const bool keys : {true, false}) {
      Memory m(2, 35, head_dim, KvFormat::f32);
      CHECK(m.heads.room == 48);
      std::vector<int> met(static_cast<std::size_t>(m.heads.room * head_dim), 0);
      for (index_t j = 0; j < m.heads.room; ++j)
        for (index_t i = 0; i < head_dim; ++i) ++met[static_cast<std::size_t>(keys ? m.heads.key_at(j, i) : m.heads.value_at(j, i))];
      for (const int times : met) REQUIRE(times == 1);
    }
}

TEST_CASE("KvHeads: what each format keeps") {
  Random random(1);
  for (const KvFormat format : formats)
    for (const index_t head_dim : {7, 8, 64}) {
      Memory m(1, 16, head_dim, format);
      auto x = random.numbers(head_dim, 3);
      x[1] = 3;  // the largest
      store_key(m.heads, 0, 5, x.data());
      store_value(m.heads, 0, 5, x.data());
      // Half a step: of 11 bits and of 8 below 4, of 127 steps up to 3.
      const double step = format == KvFormat::f32 ? 0 : format == KvFormat::f16 ? 0x1p-10 : format == KvFormat::bf16 ? 0x1p-7 : 1.001 * 1.5 / 127;
      for (index_t i = 0; i < head_dim; ++i) {
        CAPTURE(kv_format_name(format), i);
        const auto want = static_cast<double>(x[static_cast<std::size_t>(i)]);
        REQUIRE(std::abs(static_cast<double>(m.heads.key(0, 5, i)) - want) <= step);
        REQUIRE(std::abs(static_cast<double>(m.heads.value(0, 5, i)) - want) <= step);
      }
      const std::vector<float> zeros(x.size(), 0.0f);
      store_key(m.heads, 0, 6, zeros.data());
      for (index_t i = 0; i < head_dim; ++i) REQUIRE(m.heads.key(0, 6, i) == 0);
      for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        x[0] = odd;
        store_key(m.heads, 0, 7, x.data());
        REQUIRE(!std::isfinite(m.heads.key(0, 7, 0)));  // never lost
      }
    }
}

#if MOLMO_HAS_XSIMD
TEST_CASE("rotate_and_store on Xsimd: what Reference stores, in pieces and by any number of threads", "[threads]") {
  Random random(2);
  for (const KvFormat format : formats)
    for (const index_t head_dim : {2, 8, 10, 16, 48, 80})
      for (const index_t tokens : {1, 5, 40, 150}) {
        const index_t heads = 6, kv_heads = 2, past = 9, token = (heads + 2 * kv_heads) * head_dim + 3;
        const auto start = random.numbers(tokens * token), c = random.numbers(tokens * head_dim / 2), s = random.numbers(tokens * head_dim / 2);
        const auto run = [&](auto&& store) {
          auto x = start;
          Memory m(kv_heads, past + tokens, head_dim, format);
          store(NewHeads{x.data(), x.data() + heads * head_dim, x.data() + (heads + kv_heads) * head_dim, token, tokens, past, heads, kv_heads,
                         c.data(), s.data(), m.heads});
          std::vector<float> all;
          for (index_t t = 0; t < tokens; ++t)
            for (index_t i = 0; i < heads * head_dim; ++i) all.push_back(x[static_cast<std::size_t>(t * token + i)]);
          for (index_t h = 0; h < kv_heads; ++h)
            for (index_t t = 0; t < tokens; ++t)
              for (index_t i = 0; i < head_dim; ++i) {
                all.push_back(m.heads.key(h, past + t, i));
                all.push_back(m.heads.value(h, past + t, i));
              }
          all.push_back(m.k_scales[0]);  // of position 0, which is not ours
          all.push_back(m.k[0]);
          return all;
        };
        const auto want = run([](const NewHeads& a) { rotate_and_store(Reference{}, a); });
        const auto one = run([](const NewHeads& a) { rotate_and_store(Xsimd<>(1), a); });
        CAPTURE(kv_format_name(format), head_dim, tokens);
        // One rounding of a product near 1, which may tip that to 16 bits or to a code; keys are below 2.
        REQUIRE_CLOSE(one, want, format == KvFormat::f32 ? 3e-7 : format == KvFormat::f16 ? 0x1p-10 : format == KvFormat::bf16 ? 0x1p-7 : 2.0 / 127);
        for (const int threads : {2, 3, 8})
          REQUIRE_SAME_BITS(run([&](const NewHeads& a) { rotate_and_store(Xsimd<>(threads), a); }), one);
        REQUIRE_SAME_BITS(run([](const NewHeads& a) {
                            const Xsimd<> cpu;
                            for (index_t t = 0; t < a.tokens; t += 7) {
                              const index_t n = a.tokens - t < 7 ? a.tokens - t : 7;
                              for (index_t h = 0; h < a.n_heads; h += 2) finish_queries(cpu, a, h, 2, t, n);
                              for (index_t h = 0; h < a.n_kv_heads; ++h) finish_keys(cpu, a, h, 1, t, n);
                              for (index_t h = 0; h < a.n_kv_heads; ++h) finish_values(cpu, a, h, 1, t, n);
                            }
                          }),
                          one);
      }
}
#endif
