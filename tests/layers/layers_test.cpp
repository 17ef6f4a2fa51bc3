// SPDX-License-Identifier: Apache-2.0
// Layers on their own, on the plain loops and the fast path: Linear, FeedForward and Attention against loops in double,
// fused weights against separate ones (the same bits), and what Attention writes into the cache. Whole blocks:
// models/golden_test.cpp.
#include <molmo/layers/block.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random_model.hpp"

#include <cmath>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

// f(ctx) for every backend.
template <class F>
void on_all(F&& f) {
  f(Reference{});
#if MOLMO_HAS_XSIMD
  f(Xsimd<>());
#endif
}

double dot(const std::vector<float>& x, index_t row, const std::vector<float>& w, index_t n, index_t k) {
  double sum = 0;
  for (index_t i = 0; i < k; ++i)
    sum += static_cast<double>(x[static_cast<std::size_t>(row * k + i)]) * static_cast<double>(w[static_cast<std::size_t>(n * k + i)]);
  return sum;
}

constexpr float nan_of_float = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEMPLATE_TEST_CASE_SIG("Linear: y = x W^T (+ b), and y += ...", "", ((bool Bias), Bias), false, true) {
  RandomWeights<Linear<11, 20, Bias>> layer(1);
  Random random(2);
  const auto x = random.numbers(3 * 20), before = random.numbers(3 * 11);
  on_all([&](const auto& ctx) {
    std::vector<float> y(33, nan_of_float), sum = before;
    layer->forward(ctx, View<float, Shape<dyn, 11>>(y.data(), 3), View<const float, Shape<dyn, 20>>(x.data(), 3));
    layer->add_to(ctx, View<float, Shape<dyn, 11>>(sum.data(), 3), View<const float, Shape<dyn, 20>>(x.data(), 3));
    std::vector<double> want, want_sum;
    for (index_t r = 0; r < 3; ++r)
      for (index_t n = 0; n < 11; ++n) {
        want.push_back(dot(x, r, layer.all().at("weight"), n, 20) + (Bias ? static_cast<double>(layer.all().at("bias")[static_cast<std::size_t>(n)]) : 0));
        want_sum.push_back(want.back() + static_cast<double>(before[static_cast<std::size_t>(r * 11 + n)]));
      }
    REQUIRE_CLOSE(y, want, tolerance(20, 0.3));  // 20 products of size 0.3 at most
    REQUIRE_CLOSE(sum, want_sum, tolerance(20, 0.3));
  });
}

namespace {

template <FeedForwardShape S>
void check_plain_feed_forward() {
  RandomWeights<FeedForward<S>> layer(3);
  Random random(4);
  const auto x = random.numbers(2 * S.d_model);
  const std::string in = S.fused ? "ff_proj" : "up";
  on_all([&](const auto& ctx) {
    std::vector<float> hidden(static_cast<std::size_t>(2 * S.hidden), nan_of_float);
    layer->activate(ctx, View<float, Shape<dyn, S.hidden>>(hidden.data(), 2), View<const float, Shape<dyn, S.d_model>>(x.data(), 2));
    std::vector<double> want;
    for (index_t r = 0; r < 2; ++r)
      for (index_t n = 0; n < S.hidden; ++n) {
        double a = dot(x, r, layer.all().at(in + ".weight"), n, S.d_model);
        if (S.bias) a += static_cast<double>(layer.all().at(in + ".bias")[static_cast<std::size_t>(n)]);
        want.push_back(0.5 * a * (1 + std::erf(a / std::sqrt(2.0))));
      }
    REQUIRE_CLOSE(hidden, want, 2 * tolerance(S.d_model, 0.3));  // gelu's slope is 1.13 at most
  });
}

template <bool Bias>
void check_fused_feed_forward() {
  constexpr FeedForwardShape apart{.d_model = 24, .hidden = 37, .bias = Bias};
  constexpr FeedForwardShape together{.d_model = 24, .hidden = 37, .bias = Bias, .fused = true};
  RandomWeights<FeedForward<apart>> one(5);
  RandomWeights<FeedForward<together>> other(6);
  other.set("ff_proj.weight", stacked({one.all().at("up.weight"), one.all().at("gate.weight")}));  // up first
  if (Bias) other.set("ff_proj.bias", stacked({one.all().at("up.bias"), one.all().at("gate.bias")}));
  Random random(7);
  for (const index_t tokens : {1, 4, 20}) {
    const auto x = random.numbers(tokens * 24);
    on_all([&](const auto& ctx) {
      std::vector<float> a(static_cast<std::size_t>(tokens * 37)), b(a.size(), nan_of_float);
      const View<const float, Shape<dyn, 24>> in(x.data(), tokens);
      one->activate(ctx, View<float, Shape<dyn, 37>>(a.data(), tokens), in);
      other->activate(ctx, View<float, Shape<dyn, 37>>(b.data(), tokens), in);
      REQUIRE_SAME_BITS(b, a);
    });
  }
}

}  // namespace

TEST_CASE("layers: a target that overlaps what is read is refused, and nothing is written") {
  RandomWeights<Linear<24, 24>> linear(8);
  RandomWeights<Norm<NormShape{24}>> rms(9);
  RandomWeights<Norm<NormShape{24, LayerNormType::layer_norm}>> layer_norm(10);
  RandomWeights<FeedForward<FeedForwardShape{.d_model = 24, .hidden = 24}>> gated(11);
  RandomWeights<FeedForward<FeedForwardShape{.d_model = 24, .hidden = 24, .fused = true}>> fused(12);
  Random random(13);
  std::vector<float> x = random.numbers(6 * 24);
  const auto before = x;
  const View<float, Shape<dyn, 24>> all(x.data(), 6), first = all.slice(0, 4), later = all.slice(1, 4);
  on_all([&](const auto& ctx) {
    CHECK_THROWS_AS(linear->forward(ctx, all, all), contract_error);
    CHECK_THROWS_AS(linear->add_to(ctx, all, all), contract_error);
    CHECK_THROWS_AS(linear->forward(ctx, later, first), contract_error);
    CHECK_THROWS_AS(rms->forward(ctx, later, first, 1e-5), contract_error);
    CHECK_THROWS_AS(rms->forward(ctx, first, all, 1e-5), contract_error);  // other numbers of tokens
    CHECK_THROWS_AS(layer_norm->forward(ctx, first, later, 1e-5), contract_error);
    CHECK_THROWS_AS(gated->activate(ctx, all, all), contract_error);
    CHECK_THROWS_AS(fused->activate(ctx, later, first), contract_error);
    REQUIRE_SAME_BITS(x, before);
    rms->forward(ctx, all, all, 1e-5);  // in place is fine
    CHECK(x != before);
    x = before;
  });
}

TEST_CASE("FeedForward: without a gate") {
  check_plain_feed_forward<FeedForwardShape{.d_model = 20, .hidden = 13, .gated = false, .activation = ActivationType::gelu}>();
  check_plain_feed_forward<FeedForwardShape{.d_model = 20, .hidden = 13, .gated = false, .bias = true, .activation = ActivationType::gelu}>();
  check_plain_feed_forward<FeedForwardShape{
      .d_model = 20, .hidden = 13, .gated = false, .bias = true, .fused = true, .activation = ActivationType::gelu}>();
}

TEST_CASE("FeedForward: ff_proj = [up; gate] computes what the two matrices compute, bit by bit") {
  check_fused_feed_forward<false>();
  check_fused_feed_forward<true>();
}

namespace {

struct Attended {
  std::vector<float> heads, k, v;
};

// `tokens` new tokens after `past`; everything else in the cache is NaN and must stay it.
template <AttentionShape S, class Ctx>
Attended attend(const Ctx& ctx, const Attention<S>& layer, const std::vector<float>& x, index_t tokens, const Attended& before, index_t past,
                index_t capacity, const AttentionOptions& options = {}) {
  Attended out = before;
  const index_t half = S.head_dim / 2;
  std::vector<float> f(static_cast<std::size_t>(half)), c(static_cast<std::size_t>(tokens * half)), s(c.size()),
      qkv(static_cast<std::size_t>(tokens * S.qkv_width()), nan_of_float);
  for (index_t i = 0; i < half; ++i) f[static_cast<std::size_t>(i)] = 1.0f / static_cast<float>(1 + i);
  for (index_t t = 0; t < tokens; ++t)
    for (index_t i = 0; i < half; ++i) {
      c[static_cast<std::size_t>(t * half + i)] = std::cos(static_cast<float>(past + t) * f[static_cast<std::size_t>(i)]);
      s[static_cast<std::size_t>(t * half + i)] = std::sin(static_cast<float>(past + t) * f[static_cast<std::size_t>(i)]);
    }
  out.heads.assign(static_cast<std::size_t>(tokens * S.q_width()), nan_of_float);
  if (out.k.empty()) out.k.assign(static_cast<std::size_t>(S.kv_width() * capacity), nan_of_float), out.v = out.k;
  // [kv head][position][head_dim] here; in the cache as it likes.
  const index_t room = kv_room(capacity);
  std::vector<float> k(static_cast<std::size_t>(S.kv_width() * room + 15), nan_of_float), v = k;
  KvHeads cache;
  cache.k = reinterpret_cast<std::byte*>(k.data()), cache.v = reinterpret_cast<std::byte*>(v.data());
  cache.room = room, cache.head_dim = S.head_dim;
  const auto at = [&](index_t h, index_t p) { return static_cast<std::size_t>((h * capacity + p) * S.head_dim); };
  for (index_t h = 0; h < S.n_kv_heads; ++h)
    for (index_t p = 0; p < past; ++p) {
      store_key(cache, h, p, &out.k[at(h, p)]);
      store_value(cache, h, p, &out.v[at(h, p)]);
    }
  AttentionScratch scratch;
  scratch.qkv = qkv.data(), scratch.heads = out.heads.data(), scratch.cosines = c.data(), scratch.sines = s.data();
  layer.attend(ctx, View<const float, Shape<dyn, S.d_model>>(x.data(), tokens), KvLayer{cache, past}, scratch, options);
  for (index_t h = 0; h < S.n_kv_heads; ++h)
    for (index_t p = 0; p < capacity; ++p)
      for (index_t i = 0; i < S.head_dim; ++i) {
        out.k[at(h, p) + static_cast<std::size_t>(i)] = cache.key(h, p, i);
        out.v[at(h, p) + static_cast<std::size_t>(i)] = cache.value(h, p, i);
      }
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("Attention: att_proj = [q; k; v] computes what three matrices compute, bit by bit", "", ((bool Bias), Bias), false, true) {
  constexpr AttentionShape apart{.d_model = 30, .n_heads = 6, .n_kv_heads = 2, .head_dim = 10, .qkv_bias = Bias};
  constexpr AttentionShape together{.d_model = 30, .n_heads = 6, .n_kv_heads = 2, .head_dim = 10, .qkv_bias = Bias, .fused = true};
  RandomWeights<Attention<apart>> one(8);
  RandomWeights<Attention<together>> other(9);
  for (const char* what : {"weight", "bias"})
    if (Bias || what[0] == 'w')
      other.set(text("att_proj.", what), stacked({one.all().at(text("q.", what)), one.all().at(text("k.", what)), one.all().at(text("v.", what))}));
  Random random(10);
  for (const index_t tokens : {1, 5, 20}) {
    const auto x = random.numbers(tokens * 30);
    on_all([&](const auto& ctx) {
      const Attended a = attend<apart>(ctx, *one, x, tokens, {}, 0, 32), b = attend<together>(ctx, *other, x, tokens, {}, 0, 32);
      REQUIRE_SAME_BITS(b.heads, a.heads);
      REQUIRE_SAME_BITS(b.k, a.k);
      REQUIRE_SAME_BITS(b.v, a.v);
    });
  }
}

TEST_CASE("Attention: the cache gets rotated keys and plain values at their positions, and nothing else") {
  constexpr AttentionShape shape{.d_model = 12, .n_heads = 4, .n_kv_heads = 2, .head_dim = 6};
  RandomWeights<Attention<shape>> layer(11);
  Random random(12);
  const auto x = random.numbers(5 * 12);
  constexpr index_t capacity = 9;
  on_all([&](const auto& ctx) {
    const Attended first = attend<shape>(ctx, *layer, std::vector<float>(x.begin(), x.begin() + 2 * 12), 2, {}, 0, capacity);
    const Attended got = attend<shape>(ctx, *layer, std::vector<float>(x.begin() + 2 * 12, x.end()), 3, first, 2, capacity);
    for (index_t h = 0; h < 2; ++h)
      for (index_t p = 0; p < capacity; ++p)
        for (index_t i = 0; i < 6; ++i) {
          const std::size_t at = static_cast<std::size_t>((h * capacity + p) * 6 + i);
          CAPTURE(h, p, i);
          if (p >= 5) {
            REQUIRE((std::isnan(got.k[at]) && std::isnan(got.v[at])));
            continue;
          }
          const double v = dot(x, p, layer.all().at("v.weight"), h * 6 + i, 12);
          const double low = dot(x, p, layer.all().at("k.weight"), h * 6 + i % 3, 12), high = dot(x, p, layer.all().at("k.weight"), h * 6 + i % 3 + 3, 12);
          const double angle = static_cast<double>(p) / static_cast<double>(1 + i % 3);
          const double k = i < 3 ? low * std::cos(angle) - high * std::sin(angle) : high * std::cos(angle) + low * std::sin(angle);
          // 12 products of 0.3, then an angle of at most 4 that is rounded to f32.
          REQUIRE(std::abs(static_cast<double>(got.v[at]) - v) <= tolerance(12, 0.3));
          REQUIRE(std::abs(static_cast<double>(got.k[at]) - k) <= 4 * tolerance(12, 0.3));
        }
  });
}

TEST_CASE("Attention: clip_qkv clamps values before they are stored; 0 is off") {
  constexpr AttentionShape shape{.d_model = 12, .n_heads = 2, .n_kv_heads = 1, .head_dim = 6};
  RandomWeights<Attention<shape>> layer(13, 3.0f);
  Random random(14);
  const auto x = random.numbers(3 * 12);
  on_all([&](const auto& ctx) {
    const Attended free = attend<shape>(ctx, *layer, x, 3, {}, 0, 3), clipped = attend<shape>(ctx, *layer, x, 3, {}, 0, 3, {.clip_qkv = 0.75});
    int at_the_limit = 0;
    for (std::size_t i = 0; i < free.v.size(); ++i) {
      CHECK(clipped.v[i] == std::fmax(-0.75f, std::fmin(0.75f, free.v[i])));
      at_the_limit += std::abs(clipped.v[i]) == 0.75f;
    }
    CHECK(at_the_limit > 3);
    for (const float k : clipped.k) CHECK(std::abs(k) <= 0.75f * 1.4143f);  // a rotation of two clamped numbers
  });
}
