// SPDX-License-Identifier: Apache-2.0
// RoPE: frequencies, tables and rotations against transformers (tests/data/golden/rope), and the properties of a
// rotation.
#include <molmo/core/views.hpp>
#include <molmo/ops/rope/frequencies.hpp>
#include <molmo/ops/rope/rope.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"
#if MOLMO_HAS_IO
#include "support/golden.hpp"
#endif

#include <cmath>
#include <vector>

using namespace molmo;
using namespace molmo_test;

#if MOLMO_HAS_IO
namespace {

struct Kind {
  const char* name;
  RopeFrequencies frequencies;
};
constexpr Kind kinds[] = {
    {"default_128", {.head_dim = 128, .theta = 10000}},
    {"default_64_1e6", {.head_dim = 64, .theta = 1e6}},
    {"llama31_8b", {.head_dim = 128, .theta = 5e5, .scaling = RopeScaling::llama3, .factor = 8}},
    {"llama32_1b", {.head_dim = 64, .theta = 5e5, .scaling = RopeScaling::llama3, .factor = 32}},
};

}  // namespace

TEST_CASE("rope: the inverse frequencies of transformers, scaled and not", "[golden]") {
  const Golden g("rope");
  for (const Kind& k : kinds) {
    CAPTURE(k.name);
    std::vector<float> got(static_cast<std::size_t>(k.frequencies.head_dim / 2));
    rope_inverse_frequencies(k.frequencies, got.data());
    // Both take powers in f32, each within an ulp (1.2e-7, relative).
    REQUIRE_CLOSE(got, g.floats(text(k.name, ".inv_freq")), 0, 2.4e-7);
  }
}

TEST_CASE("rope: llama3 scales to the bits of transformers, in every band", "[golden]") {
  const Golden g("rope");
  const auto cases = g.floats("sweep.cases"), plain = g.floats("sweep.plain"), scaled = g.floats("sweep.scaled");
  std::size_t at = 0, blended = 0, ulps = 0;
  for (std::size_t c = 0; c < cases.size(); c += 6) {
    const RopeFrequencies f{.head_dim = static_cast<index_t>(cases[c]),
                            .theta = static_cast<double>(cases[c + 1]),
                            .scaling = RopeScaling::llama3,
                            .factor = static_cast<double>(cases[c + 2]),
                            .low_freq_factor = static_cast<double>(cases[c + 4]),
                            .high_freq_factor = static_cast<double>(cases[c + 5]),
                            .original_max_position = static_cast<index_t>(cases[c + 3])};
    CAPTURE(f.head_dim, f.theta, f.factor, f.original_max_position);
    std::vector<float> own(static_cast<std::size_t>(f.head_dim / 2));
    rope_inverse_frequencies(f, own.data());
    for (std::size_t i = 0; i < own.size(); ++i, ++at) {
      CAPTURE(i);
      REQUIRE(llama3_frequency(f, plain[at]) == scaled[at]);
      blended += scaled[at] != plain[at] && scaled[at] != plain[at] / static_cast<float>(f.factor);
      // From theta on: torch's power is another than the C library's in 1 of 150 frequencies, by an ulp.
      REQUIRE(std::abs(own[i] - scaled[at]) <= 2.4e-7f * scaled[at]);
      ulps += own[i] != scaled[at];
    }
  }
  REQUIRE(at == scaled.size());
  CHECK(blended > 150);
  CHECK(ulps * 100 < at);
}

TEST_CASE("rope: cos and sin at near and far positions", "[golden]") {
  const Golden g("rope");
  const auto positions = g.ids("positions");
  for (const Kind& k : kinds) {
    const index_t half = k.frequencies.head_dim / 2;
    const auto stored = g.floats(text(k.name, ".inv_freq")), cosines = g.floats(text(k.name, ".cos")), sines = g.floats(text(k.name, ".sin"));
    std::vector<float> own(stored.size()), c(stored.size()), s(stored.size());
    rope_inverse_frequencies(k.frequencies, own.data());
    for (std::size_t p = 0; p < positions.size(); ++p) {
      CAPTURE(k.name, positions[p]);
      const auto row = [&](const std::vector<float>& m) {
        return std::vector<float>(m.begin() + static_cast<index_t>(p) * half, m.begin() + static_cast<index_t>(p + 1) * half);
      };
      rope_table(stored.data(), half, positions[p], 1, c.data(), s.data());
      REQUIRE_CLOSE(c, row(cosines), 1e-6);  // the same f32 angle; cos and sin within an ulp or two of 1
      REQUIRE_CLOSE(s, row(sines), 1e-6);
      rope_table(own.data(), half, positions[p], 1, c.data(), s.data());
      // Here an ulp of the frequency moves the angle: 8191 * 1.2e-7 of an angle's rate at most one, rounded once more.
      const double moved = 1e-6 + 1.2e-7 * static_cast<double>(positions[p]);
      REQUIRE_CLOSE(c, row(cosines), moved);
      REQUIRE_CLOSE(s, row(sines), moved);
    }
  }
}

TEST_CASE("rope: rotated heads", "[golden]") {
  const Golden g("rope");
  for (const Kind& k : kinds) {
    CAPTURE(k.name);
    const index_t d = k.frequencies.head_dim;
    const auto x = g.floats(text(k.name, ".x")), c = g.floats(text(k.name, ".cos")), s = g.floats(text(k.name, ".sin"));
    std::vector<float> y(x.size());
    const RopeHeads a{x.data(), y.data(), 5, 1, d, d, d, d, d, c.data(), s.data()};
    rope(Reference{}, a);
    REQUIRE_CLOSE(y, g.floats(text(k.name, ".y")), 1e-6);  // two products and a sum of values near 1
#if MOLMO_HAS_XSIMD
    y.assign(y.size(), 0.0f);
    rope(Xsimd<>(), a);
    REQUIRE_CLOSE(y, g.floats(text(k.name, ".y")), 1e-6);
#endif
  }
}
#endif

TEST_CASE("rope: one table of many positions is the tables of its positions") {
  std::vector<float> f(6), c(60), s(60), c1(6), s1(6);
  rope_inverse_frequencies({.head_dim = 12, .theta = 300}, f.data());
  rope_table(f.data(), 6, 17, 10, c.data(), s.data());
  for (index_t p = 0; p < 10; ++p) {
    rope_table(f.data(), 6, 17 + p, 1, c1.data(), s1.data());
    REQUIRE_SAME_BITS(c1, std::vector<float>(c.begin() + p * 6, c.begin() + p * 6 + 6));
    REQUIRE_SAME_BITS(s1, std::vector<float>(s.begin() + p * 6, s.begin() + p * 6 + 6));
  }
}

TEST_CASE("rope: position 0 changes nothing, lengths stay, and q . k depends on the distance only") {
  Random random(1);
  constexpr index_t d = 20;
  std::vector<float> f(d / 2);
  rope_inverse_frequencies({.head_dim = d}, f.data());
  const auto rotated = [&](const std::vector<float>& x, index_t position) {
    std::vector<float> c(d / 2), s(d / 2), y(d);
    rope_table(f.data(), d / 2, position, 1, c.data(), s.data());
    rope(Reference{}, RopeHeads{x.data(), y.data(), 1, 1, d, d, d, d, d, c.data(), s.data()});
    return y;
  };
  const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  const auto q = random.numbers(d), k = random.numbers(d);
  REQUIRE_SAME_BITS(rotated(q, 0), q);
  for (const index_t p : {1, 50, 1000}) {
    // Angles near 1000 are rounded to 3e-5; so are the products, over 20 terms of size 1.
    CHECK(std::abs(dot(rotated(q, p), rotated(q, p)) - dot(q, q)) < 1e-5);
    CHECK(std::abs(dot(rotated(q, p), rotated(k, p + 7)) - dot(rotated(q, 0), rotated(k, 7))) < 5e-4);
  }
}

#if MOLMO_HAS_XSIMD
TEST_CASE("rope on Xsimd: every head size, other layouts of the result, in place, any number of threads") {
  Random random(2);
  for (index_t d = 2; d <= 130; d += d < 40 ? 2 : 10) {
    const index_t tokens = 3, heads = 4, x_token = heads * d + 5;
    const auto x = random.numbers(tokens * x_token), c = random.numbers(tokens * d / 2), s = random.numbers(tokens * d / 2);
    const auto run = [&](const auto& ctx) {  // into a cache: [head][position][d], one position free before and after
      std::vector<float> y(static_cast<std::size_t>(heads * (tokens + 2) * d), -3.0f);
      rope(ctx, RopeHeads{x.data(), y.data() + d, tokens, heads, d, x_token, d, d, (tokens + 2) * d, c.data(), s.data()});
      return y;
    };
    CAPTURE(d);
    // With and without fused multiply-add: one rounding of a product near 1.
    REQUIRE_CLOSE(run(Xsimd<>()), run(Reference{}), 2e-7);
    std::vector<float> in_place = x, other(x.size());
    rope(Xsimd<>(), RopeHeads{in_place.data(), in_place.data(), tokens, heads, d, x_token, d, x_token, d, c.data(), s.data()});
    other = x;
    rope(Xsimd<>(), RopeHeads{x.data(), other.data(), tokens, heads, d, x_token, d, x_token, d, c.data(), s.data()});
    REQUIRE_SAME_BITS(in_place, other);
  }
  const index_t tokens = 80, heads = 8, d = 64;
  const auto x = random.numbers(tokens * heads * d), c = random.numbers(tokens * d / 2), s = random.numbers(tokens * d / 2);
  const auto run = [&](int threads) {
    std::vector<float> y(x.size());
    rope(Xsimd<>(threads), RopeHeads{x.data(), y.data(), tokens, heads, d, heads * d, d, heads * d, d, c.data(), s.data()});
    return y;
  };
  const auto one = run(1);
  for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(run(threads), one);
}
#endif

TEST_CASE("rope: the statement rotates heads wherever they lie, in place, too") {
  Random random(31);
  const index_t n = 7;
  Tensor<float, dyn, 96> qkv{n}, before{n};  // 3 heads of 16 as queries, 2 as keys, 16 columns more
  Tensor<float, dyn, 8> cosines{n}, sines{n};
  for (index_t i = 0; i < qkv.size(); ++i) before[i] = random.number();
  for (index_t i = 0; i < cosines.size(); ++i) cosines[i] = random.number(), sines[i] = random.number();
  const auto check = [&](const auto& ctx) {
    on(ctx, qkv) = before;
    const auto q = heads<3>(columns<0, 48>(qkv));
    const auto k = heads<2>(columns<48, 32>(qkv));
    Tensor<float, dyn, 3, 16> elsewhere{n};
    on(ctx, elsewhere) = rope(q, cosines, sines);
    on(ctx, q) = rope(q, cosines, sines);
    on(ctx, head(k, 1)) = rope(head(k, 1), cosines, sines);
    for (index_t t = 0; t < n; ++t)
      for (index_t c = 0; c < 96; ++c) {
        const index_t i = c % 8, first = c / 16 * 16 + i;
        const double low = before(t, first), high = before(t, first + 8), cos = cosines(t, i), sin = sines(t, i);
        const double rotated = c % 16 < 8 ? low * cos - high * sin : high * cos + low * sin;
        const bool is_rotated = c < 48 || (c >= 64 && c < 80);
        const double want = is_rotated ? rotated : static_cast<double>(before(t, c));
        // Two products and a sum of numbers below 1, each rounded: 3 * 2^-24 at most.
        REQUIRE(std::fabs(static_cast<double>(qkv(t, c)) - want) <= (is_rotated ? 2e-7 : 0));
        if (c < 48) REQUIRE(elsewhere[t * 48 + c] == qkv(t, c));
      }
  };
  check(Reference());
#if MOLMO_HAS_XSIMD
  check(Xsimd());
  check(Xsimd(3));
#endif
}

TEST_CASE("rope: tokens that differ and targets that overlap are refused before anything is written") {
  Tensor<float, dyn, 16> x{6}, y{5};
  Tensor<float, dyn, 8> cosines{6}, sines{6}, few{5};
  const Reference cpu;
  CHECK_THROWS_AS(on(cpu, y) = rope(x, cosines, sines), contract_error);
  CHECK_THROWS_AS(on(cpu, x) = rope(x, few, few), contract_error);
  CHECK_THROWS_AS(on(cpu, slice(x, 1, 5)) = rope(slice(x, 0, 5), few, few), contract_error);
  CHECK_THROWS_AS(
      (on(cpu, reshape<Shape<dyn, 16>>(cosines)) = rope(slice(x, 0, 3), slice(cosines, 0, 3), slice(sines, 0, 3))),
      contract_error);
  const View<float, Shape<dyn, 16>> none(nullptr, 0);
  const View<float, Shape<dyn, 8>> no_table(nullptr, 0);
  on(cpu, none) = rope(none, no_table, no_table);
}
