// SPDX-License-Identifier: Apache-2.0
// Llm as a type: its sizes while compiling, fused blocks against separate ones, extra input rows, the workspace it
// plans, and a step that is abandoned. What it computes is checked in golden_test.cpp.
#include <molmo/models/llm.hpp>
#include <molmo/models/zoo/llama.hpp>
#include <molmo/models/zoo/olmo.hpp>
#include <molmo/models/zoo/olmo2.hpp>
#include <molmo/models/zoo/qwen2.hpp>
#include <molmo/models/zoo/qwen3.hpp>
#include <molmo/run/kv_cache.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/cache.hpp"
#include "support/compare.hpp"
#include "support/golden_configs.hpp"
#include "support/random_model.hpp"

#include <string>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

// Numbers of parameters as their publishers state them (the safetensors metadata of the hub).
static_assert(Llm<llama3_2_1b>::parameters() == 1'235'814'400);
static_assert(Llm<llama3_2_3b>::parameters() == 3'212'749'824);
static_assert(Llm<llama3_1_8b>::parameters() == 8'030'261'248);
static_assert(Llm<llama3_1_70b>::parameters() == 70'553'706'496);
static_assert(Llm<llama2_7b>::parameters() == 6'738'415'616);
static_assert(Llm<llama2_13b>::parameters() == 13'015'864'320);
static_assert(Llm<llama2_70b>::parameters() == 68'976'648'192);
static_assert(Llm<qwen2_5_0_5b>::parameters() == 494'032'768);
static_assert(Llm<qwen2_5_1_5b>::parameters() == 1'543'714'304);
static_assert(Llm<qwen2_5_7b>::parameters() == 7'615'616'512);
static_assert(Llm<qwen3_0_6b>::parameters() == 596'049'920);
static_assert(Llm<qwen3_8b>::parameters() == 8'190'735'360);
static_assert(Llm<olmo_1b>::parameters() == 1'176'764'416);
static_assert(Llm<olmo_7b>::parameters() == 6'888'095'744);
static_assert(Llm<olmo2_1b>::parameters() == 1'484'916'736);
static_assert(Llm<olmo2_7b>::parameters() == 7'298'617'344);

// The same added up by hand for one of them: embedding, q and o, k and v, three of the feed-forward, two norms, the
// last norm.
static_assert(Llm<llama3_2_1b>::parameters() ==
              128256 * 2048 + 16 * (2 * 2048 * 2048 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048) + 2048);

// Keys and values of f32: layers * 2 * kv heads * head_dim * 4 bytes.
static_assert(Llm<llama3_2_1b>::kv_bytes_per_token() == 16 * 2 * 8 * 64 * 4);
static_assert(Llm<llama2_7b>::kv_bytes_per_token() == 32 * 2 * 32 * 128 * 4);
static_assert(Llm<qwen3_0_6b>::kv_bytes_per_token() == 28 * 2 * 8 * 128 * 4);
static_assert(Llm<qwen3_0_6b>::kv_bytes_per_token(KvFormat::bf16) == 28 * 2 * 8 * 128 * 2);
static_assert(Llm<qwen3_0_6b>::kv_bytes_per_token(KvFormat::q8) == 28 * 2 * 8 * (128 + 4));  // and a scale

static_assert(Llm<llama3_2_1b>::weight_bytes<Bf16>() == 2'471'628'800);
static_assert(Llm<llama3_2_1b>::weight_bytes<F32>() == 4'943'257'600);
static_assert(Llm<olmo2_1b>::weight_bytes<F16>() == 2'969'833'472);

// Two operations a weight, the embedding used once as the head and not as an input; then q . k and p . v for every
// position.
static_assert(Llm<llama3_2_1b>::flops_per_token() == 2.0 * 1'235'814'400);
static_assert(Llm<olmo2_1b>::flops_per_token() == 2.0 * (1'484'916'736 - 100352 * 2048));
static_assert(Llm<llama3_2_1b>::flops_per_token(1000) == 2.0 * 1'235'814'400 + 16 * 4.0 * 32 * 64 * 1000);

constexpr LlmConfig wide = [] {  // extra rows: an embedding of 64 for 61 tokens, and 3 more that are input only
  LlmConfig c = llama_default;
  c.embedding_size = 64;
  c.additional_vocab_size = 3;
  return c;
}();
static_assert(Llm<wide>::parameters() == Llm<llama_default>::parameters() + 2 * 3 * 48 + 3 * 48);
static_assert(Llm<wide>::logits_size == 64);
static_assert(Llm<wide>::flops_per_token() == 2.0 * static_cast<double>(Llm<wide>::parameters() - 64 * 48 - 3 * 48));

constexpr LlmConfig fused(LlmConfig c) {
  c.block_type = BlockType::sequential;
  return c;
}

struct Output {
  std::vector<float> logits, keys;
};

template <class M, class Ctx>
Output run(const Ctx& ctx, const M& model, const std::vector<std::int32_t>& ids) {
  const index_t n = static_cast<index_t>(ids.size());
  KvCache cache = KvCache::for_model<M>(n);
  Arena arena(M::workspace_bytes(n));
  const LlmWorkspace work = M::make_workspace(arena, n);
  Output out{std::vector<float>(static_cast<std::size_t>(n * M::logits_size)), {}};
  REQUIRE(model.forward(ctx, ids.data(), n, cache.view(), work, out.logits.data(), n));
  out.keys = keys_of(cache.view(), M::config.n_layers);
  return out;
}

std::vector<std::int32_t> some_ids(index_t n, std::int32_t below = 61) {
  Random random(77);
  std::vector<std::int32_t> ids;
  for (index_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>(random.between(0, below - 1)));
  return ids;
}

template <LlmConfig C>
void check_fused() {
  RandomWeights<Llm<C>> apart(1);
  RandomWeights<Llm<fused(C)>> together(2);
  for (const auto& [name, numbers] : together.all()) {
    const auto ends = name.rfind('.');
    const std::string what = name.substr(ends), layer = name.substr(0, ends);
    const auto from = [&](const std::string& replaced) { return apart.all().at(layer.substr(0, layer.rfind('.') + 1) + replaced + what); };
    if (layer.ends_with("att_proj"))
      together.set(name, stacked({from("q"), from("k"), from("v")}));
    else if (layer.ends_with("ff_proj"))
      together.set(name, stacked({from("up"), from("gate")}));
    else
      together.set(name, apart.all().at(name));
  }
  for (const index_t n : {1, 9, 30}) {
    const auto ids = some_ids(n);
    const auto compare = [&](const auto& ctx) {
      const Output a = run(ctx, *apart, ids), b = run(ctx, *together, ids);
      REQUIRE_SAME_BITS(b.logits, a.logits);
      REQUIRE_SAME_BITS(b.keys, a.keys);
    };
    compare(Reference{});
#if MOLMO_HAS_XSIMD
    compare(Xsimd<>());
    compare(Xsimd<>(3));
#endif
  }
}

}  // namespace

TEST_CASE("Llm: sequential blocks with fused weights equal llama blocks, bit by bit") {
  check_fused<llama_default>();
  check_fused<llama_bias>();
  check_fused<olmo2>();
}

TEST_CASE("Llm: each_parameter meets parameters() numbers, under unique names") {
  RandomWeights<Llm<wide>> model(3);
  index_t met = 0;
  for (const auto& [name, numbers] : model.all()) met += static_cast<index_t>(numbers.size());
  CHECK(met == Llm<wide>::parameters());
  CHECK(model.all().count("new_embedding.weight") == 1);
  CHECK(model.all().count("blocks.1.feed_forward.down.weight") == 1);
  CHECK(RandomWeights<Llm<llama_tied>>(4).all().count("head.weight") == 0);
}

TEST_CASE("Llm: ids behind the embedding are rows of new_embedding, and never logits") {
  RandomWeights<Llm<wide>> model(5);
  // Row 1 of new_embedding (id 65) made equal to the row of id 7: the same output.
  const auto table = model.numbers("embedding.weight"), extra = model.numbers("new_embedding.weight");
  std::copy(table.begin() + 7 * 48, table.begin() + 8 * 48, extra.begin() + 48);
  const Output a = run(Reference{}, *model, {3, 7, 5}), b = run(Reference{}, *model, {3, 65, 5}), c = run(Reference{}, *model, {3, 66, 5});
  CHECK(a.logits.size() == 3 * 64);
  REQUIRE_SAME_BITS(b.logits, a.logits);
  CHECK(!same_bits(c.logits, a.logits).agree);
}

TEST_CASE("Llm: the workspace takes the bytes that were planned, and one line less is not enough") {
  using M = Llm<qwen3>;
  for (const index_t tokens : {1, 7, 64}) {
    Arena arena(M::workspace_bytes(tokens));
    const LlmWorkspace w = M::make_workspace(arena, tokens);
    CHECK(arena.used() == M::workspace_bytes(tokens));
    CHECK(w.tokens == tokens);
    for (const float* p : {w.x, w.inverse_frequencies, w.cosines, w.sines, w.block.normed, w.block.hidden, w.block.attention.qkv, w.block.attention.heads}) {
      CHECK(p != nullptr);
      CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
    }
    Arena smaller(M::workspace_bytes(tokens) - 64);
    CHECK(M::make_workspace(smaller, tokens).block.hidden == nullptr);
  }
}

TEST_CASE("Llm: an observer that says no abandons the step at any layer; the cache is as before") {
  RandomWeights<Llm<llama_default>> model(6);
  using M = Llm<llama_default>;
  const auto ids = some_ids(10);
  const Output want = run(Reference{}, *model, ids);
  for (index_t stop_at = 0; stop_at <= 2; ++stop_at) {
    KvCache cache = KvCache::for_model<M>(10);
    Arena arena(M::workspace_bytes(10));
    const LlmWorkspace work = M::make_workspace(arena, 10);
    std::vector<float> logits(10 * 61, -1.0f);
    REQUIRE(model->forward(Reference{}, ids.data(), 4, cache.view(), work, logits.data(), 4));
    std::vector<index_t> seen;
    const bool done = model->forward(Reference{}, ids.data() + 4, 6, cache.view(), work, logits.data() + 4 * 61, 6, [&](index_t layer, const auto& x) {
      CHECK(x.tokens() == 6);
      seen.push_back(layer);
      return layer != stop_at;
    });
    CHECK(!done);
    CHECK(cache.length() == 4);
    CHECK(static_cast<index_t>(seen.size()) == stop_at + 1);
    for (std::size_t i = 4 * 61; i < logits.size(); ++i) REQUIRE(logits[i] == -1.0f);
    // and again, in full
    REQUIRE(model->forward(Reference{}, ids.data() + 4, 6, cache.view(), work, logits.data() + 4 * 61, 6));
    REQUIRE_SAME_BITS(logits, want.logits);
  }
}

TEST_CASE("Llm: fewer rows of logits are the last ones") {
  RandomWeights<Llm<olmo2>> model(7);
  using M = Llm<olmo2>;
  const auto ids = some_ids(6);
  const Output want = run(Reference{}, *model, ids);
  for (const index_t rows : {0, 1, 4}) {
    KvCache cache = KvCache::for_model<M>(6);
    Arena arena(M::workspace_bytes(6));
    const LlmWorkspace work = M::make_workspace(arena, 6);
    std::vector<float> logits(static_cast<std::size_t>(rows * 61) + 1, -1.0f);
    REQUIRE(model->forward(Reference{}, ids.data(), 6, cache.view(), work, logits.data(), rows));
    CHECK(logits.back() == -1.0f);
    logits.pop_back();
    REQUIRE_SAME_BITS(logits, std::vector<float>(want.logits.end() - rows * 61, want.logits.end()));
  }
}

TEST_CASE("KvCache: one block of the planned size, zeroed, truncated but never lengthened") {
  using M = Llm<llama_default>;
  CHECK(KvCache::bytes<M>(16) == 2 * 16 * 2 * 2 * 8 * sizeof(float));
  CHECK(KvCache::bytes<M>(17) == 2 * KvCache::bytes<M>(16));  // positions come in sixteens
  CHECK(KvCache::bytes<M>(16, KvFormat::f16) == KvCache::bytes<M>(16) / 2);
  CHECK(KvCache::bytes<M>(16, KvFormat::bf16) == KvCache::bytes<M>(16) / 2);
  CHECK(KvCache::bytes<M>(16, KvFormat::q8) == KvCache::bytes<M>(16) / 4 + 2 * 16 * 2 * 2 * sizeof(float));
  for (const KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8}) {
    KvCache c = KvCache::for_model<M>(13, nullptr, format);
    REQUIRE(c.ok());
    CHECK((c.capacity() == 13 && c.length() == 0));
    c.view().length = 9;
    c.truncate(12);
    CHECK(c.length() == 9);
    for (const float x : keys_of(c.view(), 2)) REQUIRE(x == 0);
    for (const float x : values_of(c.view(), 2)) REQUIRE(x == 0);
    c.truncate(4);
    CHECK(c.length() == 4);
    KvCache moved = std::move(c);
    CHECK((moved.ok() && moved.length() == 4));
  }
  CHECK(!KvCache().ok());
}

TEST_CASE("KvCache: heads of all layers lie apart, and hold what is stored") {
  using M = Llm<llama_default>;
  for (const KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8}) {
    KvCache c = KvCache::for_model<M>(20, nullptr, format);
    KvCacheView& view = c.view();
    Random random(3);
    std::vector<float> keys, values;
    for (index_t layer = 0; layer < 2; ++layer)
      for (index_t h = 0; h < 2; ++h)
        for (index_t j = 0; j < 20; ++j) {
          const auto k = random.numbers(8), v = random.numbers(8);
          store_key(view.layer(layer), h, j, k.data());
          store_value(view.layer(layer), h, j, v.data());
          keys.insert(keys.end(), k.begin(), k.end());
          values.insert(values.end(), v.begin(), v.end());
        }
    view.length = 20;
    // Half a unit in the last place of numbers below 1: f16 has 11 bits, bf16 8, q8 steps of 1/127.
    const double allowed = format == KvFormat::f32 ? 0 : format == KvFormat::f16 ? 0x1p-12 : format == KvFormat::bf16 ? 0x1p-9 : 0.5001 / 127;
    REQUIRE_CLOSE(keys_of(view, 2), keys, allowed);
    REQUIRE_CLOSE(values_of(view, 2), values, allowed);
  }
}
