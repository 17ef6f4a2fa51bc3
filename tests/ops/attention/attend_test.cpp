// SPDX-License-Identifier: Apache-2.0
// The statement attend(q, k, v): what it says reaches the operands, on Reference and Xsimd; sizes are compared.
#include <molmo/core/views.hpp>
#include <molmo/ops/attention/attend.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <limits>
#include <string>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr index_t n = 5, m = 23, H = 6, G = 2, D = 12, Dv = 20;

// scale q . k over keys that `seen` allows, sink and all, for query i of head h, element c
template <class Seen, class Edit>
double plain(const Tensor<float, dyn, H, D>& q, const Tensor<float, dyn, G, D>& k, const Tensor<float, dyn, G, Dv>& v,
             index_t i, index_t h, index_t c, double scale, const Seen& seen, const Edit& edit, double sink_weight = 0) {
  double total = sink_weight, sum = 0;
  const index_t g = h / (H / G);
  for (index_t j = 0; j < k.tokens(); ++j) {
    if (!seen(j)) continue;
    double s = 0;
    for (index_t x = 0; x < D; ++x) s += static_cast<double>(q[(i * H + h) * D + x]) * static_cast<double>(k[(j * G + g) * D + x]);
    const double w = std::exp(edit(s * scale));
    total += w, sum += w * static_cast<double>(v[(j * G + g) * Dv + c]);
  }
  return sum / total;
}

template <class Ctx>
void check(const Ctx& ctx) {
  Random random(1);
  Tensor<float, dyn, H, D> q{n};
  Tensor<float, dyn, G, D> k{m};
  Tensor<float, dyn, G, Dv> v{m};
  Tensor<float, dyn, H, Dv> o{n};
  Tensor<float, dyn, H> l{n};
  Tensor<float, H> sinks;
  for (index_t i = 0; i < q.size(); ++i) q[i] = random.number();
  for (index_t i = 0; i < k.size(); ++i) k[i] = random.number();
  for (index_t i = 0; i < v.size(); ++i) v[i] = random.number();
  for (index_t i = 0; i < H; ++i) sinks[i] = random.number();
  const double usual = 1 / std::sqrt(static_cast<double>(D));
  const auto compare = [&](double scale, index_t first, const auto& sees, const auto& edit, bool sink = false) {
    for (index_t i = 0; i < n; ++i)
      for (index_t h = 0; h < H; ++h)
        for (index_t c = 0; c < Dv; ++c)
          REQUIRE(static_cast<double>(o[(i * H + h) * Dv + c]) ==
                  Approx(plain(q, k, v, i, h, c, scale, [&](index_t j) { return sees(first + i, j); }, edit,
                               sink ? std::exp(static_cast<double>(sinks[h])) : 0)).margin(2e-6));
  };
  const auto keep = [](double s) { return s; };

  on(ctx, o) = attend(q, k, v);
  compare(usual, m - n, [](index_t, index_t) { return true; }, keep);
  on(ctx, o) = attend(q, k, v).where(causal).where(within(4));
  compare(usual, m - n, [](index_t i, index_t j) { return j <= i && j > i - 4; }, keep);
  on(ctx, o) = attend(q, k, v).where(causal && within(4)).score(softcap(score, 0.5));
  compare(usual, m - n, [](index_t i, index_t j) { return j <= i && j > i - 4; }, [](double s) { return 0.5 * std::tanh(s / 0.5); });
  on(ctx, o) = attend(q, k, v).where(causal).scale(1.5f).first_query(2);
  compare(1.5, 2, [](index_t i, index_t j) { return j <= i; }, keep);
  on(ctx, o) = attend(q.view(), k, v.view()).where(causal).sinks(sinks).lse(l);
  compare(usual, m - n, [](index_t i, index_t j) { return j <= i; }, keep, true);

  // The sum of the weights is e^lse: values of 1 without the sink's part.
  double weights = 0;
  for (index_t j = 0; j <= m - n; ++j) {
    double s = 0;
    for (index_t x = 0; x < D; ++x) s += static_cast<double>(q[x]) * static_cast<double>(k[j * G * D + x]);
    weights += std::exp(s * usual);
  }
  REQUIRE(static_cast<double>(l[0]) == Approx(std::log(weights + std::exp(static_cast<double>(sinks[0])))).margin(2e-6));

  // The same keys and values from caches, the values' being wider: the formula is that of the tensors.
  std::vector<float> kb(static_cast<std::size_t>(kv_room(m) * G * D)), vb(static_cast<std::size_t>(kv_room(m) * G * Dv) + 15);
  const KvHeads keys{reinterpret_cast<std::byte*>(kb.data()), nullptr, nullptr, nullptr, kv_room(m), D, KvFormat::f32};
  const KvHeads values{nullptr, reinterpret_cast<std::byte*>(vb.data()), nullptr, nullptr, kv_room(m), Dv, KvFormat::f32};
  for (index_t j = 0; j < m; ++j)
    for (index_t g = 0; g < G; ++g) store_key(keys, g, j, &k[(j * G + g) * D]), store_value(values, g, j, &v[(j * G + g) * Dv]);
  on(ctx, o) = attend<Dv>(q, cached(keys, values, G, m)).where(causal);
  compare(usual, m - n, [](index_t i, index_t j) { return j <= i; }, keep);
}

}  // namespace

TEST_CASE("attend on the plain loops") { check(Reference{}); }
#if MOLMO_HAS_XSIMD
TEST_CASE("attend on Xsimd") { check(Xsimd<>(2)); }
#endif

TEST_CASE("attend: static tokens, a cache as wide as the queries, and tokens that do not fit") {
  const Reference ctx;
  Tensor<float, 4, 2, 8> q, o, k, v;
  for (index_t i = 0; i < q.size(); ++i) q[i] = k[i] = 1, v[i] = static_cast<float>(i / 16);
  on(ctx, o) = attend(q, k, v);
  CHECK(o[0] == 1.5f);  // equal weights of 0 ... 3
  on(ctx, o) = attend(q, k, v).where(causal);
  CHECK((o[0] == 0 && o[16] == 0.5f && o[63] == 1.5f));
  std::vector<float> kb(256), vb(256 + 15);
  const KvHeads cache{reinterpret_cast<std::byte*>(kb.data()), reinterpret_cast<std::byte*>(vb.data()), nullptr, nullptr, 16, 8, KvFormat::f32};
  for (index_t j = 0; j < 4; ++j)
    for (index_t g = 0; g < 2; ++g) store_key(cache, g, j, &k[(j * 2 + g) * 8]), store_value(cache, g, j, &v[(j * 2 + g) * 8]);
  on(ctx, o) = attend(q, cached(cache, 2, 4)).where(causal);
  CHECK((o[0] == 0 && o[16] == 0.5f && o[63] == 1.5f));

  Tensor<float, dyn, 2, 8> x{3}, y{2}, z{3};
  CHECK_THROWS_AS((on(ctx, y) = attend(x, z, z)), contract_error);
  CHECK_THROWS_AS((on(ctx, x) = attend(x, z, z)), contract_error);  // o over q
  Tensor<float, dyn, 2> l{2};
  CHECK_THROWS_AS(attend(x, z, z).lse(l), contract_error);
}

TEST_CASE("attend: heads that are columns of wider rows, as a fused projection leaves them") {
  Random random(3);
  constexpr index_t width = (H + 2 * G) * D;
  Tensor<float, dyn, width> qkv{9};
  for (index_t i = 0; i < qkv.size(); ++i) qkv[i] = random.number();
  Tensor<float, dyn, H, D> q{9}, expected{9};
  Tensor<float, dyn, G, D> k{9}, v{9};
  Tensor<float, dyn, H * D + 4> wide{9};
  const auto compare = [&](const auto& ctx) {
    const auto qs = heads<H>(columns<0, H * D>(qkv));
    const auto ks = heads<G>(columns<H * D, G * D>(qkv));
    const auto vs = heads<G>(columns<H * D + G * D, G * D>(qkv));
    on(ctx, q) = qs;
    on(ctx, k) = ks;
    on(ctx, v) = vs;
    on(ctx, wide) = 7;
    on(ctx, expected) = attend(q, k, v).where(causal);
    on(ctx, heads<H>(columns<4, H * D>(wide))) = attend(qs, ks, vs).where(causal);
    for (index_t t = 0; t < 9; ++t) {
      for (index_t c = 0; c < 4; ++c) REQUIRE(wide(t, c) == 7);
      for (index_t c = 0; c < H * D; ++c) REQUIRE(wide(t, 4 + c) == expected[t * H * D + c]);
    }
  };
  compare(Reference{});
#if MOLMO_HAS_XSIMD
  compare(Xsimd<>(2));
#endif
}

TEST_CASE("attend: what would be read or written at the wrong place is refused before anything is written") {
  const auto refused = [](auto&& statement, const char* word) {
    try {
      statement();
    } catch (const contract_error& e) {
      CAPTURE(e.what());
      CHECK(std::string(e.what()).find(word) != std::string::npos);
      return;
    }
    FAIL("not refused: " << word);
  };
  const auto check_all = [&](const auto& ctx) {
    Tensor<float, dyn, 2, 8> q{5}, o{5};
    Tensor<float, dyn, 1, 8> k{8}, v{8};
    Tensor<float, dyn, 2> l{5};
    Tensor<float, 2> sinks;
    on(ctx, o) = 3;
    // Tensors of a score edit: their sizes, and that they are not written.
    Tensor<float, dyn, 8> table{4};
    Tensor<float, dyn> per_query{2};
    Tensor<float, 3> per_key;
    Tensor<float, dyn, 4> narrow{5};
    refused([&] { on(ctx, o) = attend(q, k, v).score(score + table); }, "row for each query");
    refused([&] { on(ctx, o) = attend(q, k, v).score(score + per_query); }, "row for each query");
    refused([&] { on(ctx, o) = attend(q, k, v).score(score + per_key); }, "column for each key");
    refused([&] { on(ctx, o) = attend(q, k, v).score(score + narrow); }, "column for each key");
    const View<float, Shape<dyn, 8>> in_target(o.data(), 5);
    refused([&] { on(ctx, o) = attend(q, k, v).score(score + in_target); }, "reads the target");
    // Targets and operands that overlap.
    refused([&] { on(ctx, o) = attend(q, k, v).lse(View<float, Shape<dyn, 2>>(o.data() + 4, 5)); }, "overlap");
    refused([&] { on(ctx, o) = attend(q, k, v).lse(View<float, Shape<dyn, 2>>(q.data(), 5)); }, "overlaps the queries");
    refused([&] { on(ctx, o) = attend(q, k, v).sinks(View<float, Shape<2>>(o.data())); }, "sinks overlap");
    refused([&] { on(ctx, q) = attend(q, k, v); }, "overlaps the queries");
    refused([&] { on(ctx, View<float, Shape<dyn, 2, 8>, Host, 8, 4>(o.data(), 5)) = attend(q, k, v); }, "rows of y overlap");
    // Caches.
    std::vector<float> memory(16 * 8 * 2);
    const KvHeads cache{reinterpret_cast<std::byte*>(memory.data()), reinterpret_cast<std::byte*>(memory.data() + 16 * 8),
                        nullptr, nullptr, 16, 8, KvFormat::f32};
    refused([&] { on(ctx, o) = attend(q, cached(cache, 1, 17)); }, "room for fewer");
    refused([&] { on(ctx, o) = attend(q, cached(cache, 1, -1)); }, "room for fewer");
    const View<float, Shape<dyn, 2, 8>> in_cache(memory.data() + 16 * 8, 5);
    refused([&] { on(ctx, in_cache) = attend(q, cached(cache, 1, 8)); }, "overlaps");
    // Positions before 0 in arrays.
    const std::vector<std::int32_t> ids(8, 0);
    Tensor<float, dyn, 1, 8> few{2};
    refused([&] { on(ctx, o) = attend(q, few, few).where(documents(ids.data())); }, "before position 0");
    for (index_t i = 0; i < o.size(); ++i) REQUIRE(o[i] == 3);

    on(ctx, o) = attend(q, few, few).where(documents(ids.data())).first_query(0);  // and these are not
    on(ctx, o) = attend(q, few, few).where(causal);
    Tensor<float, dyn, 32> x{6};
    for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
    on(ctx, heads<1>(columns<24, 8>(x))) =  // beside what it reads, in the same rows
        attend(heads<1>(columns<0, 8>(x)), heads<1>(columns<8, 8>(x)), heads<1>(columns<16, 8>(x)));
  };
  check_all(Reference{});
#if MOLMO_HAS_XSIMD
  check_all(Xsimd<>(2));
#endif
}

TEST_CASE("attend: queries before position 0 see no chunk; a sink that weighs nothing leaves a row empty") {
  const auto check_all = [](const auto& ctx) {
    Tensor<float, dyn, 1, 8> q{6}, k{2}, v{2}, o{6};
    for (index_t i = 0; i < 8; ++i) v[i] = 1, v[8 + i] = 2;
    on(ctx, o) = attend(q, k, v).where(chunked(4));  // positions -4 ... 1
    for (index_t t = 0; t < 6; ++t) REQUIRE(o[t * 8] == (t < 4 ? 0.0f : 1.5f));
    Tensor<float, 1> sink;
    Tensor<float, dyn, 1> l{6};
    sink[0] = -std::numeric_limits<float>::infinity();
    on(ctx, o) = attend(q, k, v).where(keys_below(0)).sinks(sink).lse(l);
    for (index_t t = 0; t < 6; ++t) REQUIRE((o[t * 8] == 0 && l[t] == sink[0]));
  };
  check_all(Reference{});
#if MOLMO_HAS_XSIMD
  check_all(Xsimd<>(2));
#endif
}
