// SPDX-License-Identifier: Apache-2.0
// FinishHeads: pieces of columns in any order do what all() does, bit by bit, and that is: a norm of each head (against
// loops in double), a rotation, and keys and values in the cache.
#include <molmo/layers/finish_heads.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/random.hpp"

#include <cmath>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr index_t head_dim = 8, n_heads = 6, n_kv_heads = 2, width = (n_heads + 2 * n_kv_heads) * head_dim;
constexpr index_t tokens = 5, past = 3;
constexpr double eps = 1e-5;

/// One step's [q | k | v], a cache, and tables of angles.
struct Step {
  std::vector<float> qkv, k, v, cosines, sines, weight, bias;
  NewHeads heads;

  explicit Step(std::uint64_t seed) {
    Random random(seed);
    qkv = random.numbers(tokens * width);
    weight = random.numbers(head_dim), bias = random.numbers(head_dim);
    for (index_t i = 0; i < tokens * head_dim / 2; ++i) {
      const double angle = static_cast<double>(random.number(3));
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
    k.assign(static_cast<std::size_t>(n_kv_heads * kv_room(past + tokens) * head_dim + 15), -1.0f);
    v = k;
    KvHeads kv;
    kv.k = reinterpret_cast<std::byte*>(k.data()), kv.v = reinterpret_cast<std::byte*>(v.data());
    kv.room = kv_room(past + tokens), kv.head_dim = head_dim;
    heads = {qkv.data(), qkv.data() + n_heads * head_dim, qkv.data() + (n_heads + n_kv_heads) * head_dim, width, tokens,
             past, n_heads, n_kv_heads, cosines.data(), sines.data(), kv};
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  template <HeadNorm N>
  [[nodiscard]] FinishHeads<N> finish(bool at_once) const {
    NormRows<float> row{nullptr, nullptr, 0, head_dim, head_dim, weight.data(), bias.data(), eps, {}};
    NormRows<float> plain = row;
    plain.weight = plain.bias = nullptr;
    return {.heads = heads, .q_norm = row, .k_norm = plain, .grain = head_dim, .at_once = at_once};
  }
  [[nodiscard]] std::vector<float> everything() const {
    std::vector<float> all = qkv;
    all.insert(all.end(), k.begin(), k.end());
    all.insert(all.end(), v.begin(), v.end());
    return all;
  }
};

/// Head h of token t, normalised and rotated as the paper says; `first` is the column of head 0.
std::vector<double> wanted(const Step& s, HeadNorm norm, index_t t, index_t first, index_t h, bool weighted) {
  const float* x = s.qkv.data() + t * width + first + h * head_dim;
  double mean = 0, squares = 0;
  for (index_t i = 0; i < head_dim; ++i) mean += static_cast<double>(x[i]) / head_dim;
  if (norm == HeadNorm::rms) mean = 0;
  for (index_t i = 0; i < head_dim; ++i) squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
  std::vector<double> y;
  for (index_t i = 0; i < head_dim; ++i) {
    double n = static_cast<double>(x[i]);
    if (norm != HeadNorm::none) {
      n = (n - mean) / std::sqrt(squares / head_dim + eps);
      if (weighted) n = n * static_cast<double>(s.weight[static_cast<std::size_t>(i)]) + static_cast<double>(s.bias[static_cast<std::size_t>(i)]);
    }
    y.push_back(n);
  }
  std::vector<double> out(y);
  constexpr index_t half = head_dim / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const double c = static_cast<double>(s.cosines[static_cast<std::size_t>(t * half) + i]);
    const double w = static_cast<double>(s.sines[static_cast<std::size_t>(t * half) + i]);
    out[i] = y[i] * c - y[i + half] * w;
    out[i + half] = y[i + half] * c + y[i] * w;
  }
  return out;
}

template <HeadNorm N, class Ctx>
void check(const Ctx& ctx) {
  const Step before(1);
  Step once(1), pieces(1), later(1);
  once.finish<N>(true)(ctx, {0, width});
  constexpr index_t cuts[] = {0, 2 * head_dim, 5 * head_dim, 9 * head_dim, width};  // one piece from q to v
  for (const int i : {2, 0, 3, 1}) pieces.finish<N>(true)(ctx, {cuts[i], cuts[i + 1]});
  const FinishHeads<N> finish = later.finish<N>(false);
  finish(ctx, {0, width});  // does nothing yet
  REQUIRE_SAME_BITS(later.everything(), before.everything());
  finish.all(ctx);
  REQUIRE_SAME_BITS(pieces.everything(), once.everything());
  REQUIRE_SAME_BITS(later.everything(), once.everything());

  for (index_t t = 0; t < tokens; ++t) {
    for (index_t h = 0; h < n_heads; ++h) {
      const std::vector<float> got(once.heads.q + t * width + h * head_dim, once.heads.q + t * width + (h + 1) * head_dim);
      REQUIRE_CLOSE(got, wanted(before, N, t, 0, h, true), 2e-6);  // some ten roundings of numbers below 3
    }
    for (index_t h = 0; h < n_kv_heads; ++h) {
      std::vector<float> key, value;
      for (index_t i = 0; i < head_dim; ++i) {
        key.push_back(once.heads.kv.key(h, past + t, i));
        value.push_back(once.heads.kv.value(h, past + t, i));
      }
      REQUIRE_CLOSE(key, wanted(before, N, t, n_heads * head_dim, h, false), 2e-6);
      const float* x = before.heads.v + t * width + h * head_dim;
      REQUIRE_SAME_BITS(value, std::vector<float>(x, x + head_dim));
    }
  }
}

template <class Ctx>
void check_all(const Ctx& ctx) {
  check<HeadNorm::none>(ctx);
  check<HeadNorm::rms>(ctx);
  check<HeadNorm::layer_norm>(ctx);
}

}  // namespace

TEST_CASE("FinishHeads: the plain loops") { check_all(Reference{}); }
#if MOLMO_HAS_XSIMD
TEST_CASE("FinishHeads: Xsimd") {
  for (const int threads : {1, 3}) check_all(Xsimd<>(threads));
}
#endif
