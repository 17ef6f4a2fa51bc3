// SPDX-License-Identifier: Apache-2.0
// Attention: q, k, v projections (+ biases, clip_qkv, QK-norm), RoPE, attention over the KV cache, output projection.
//
//   one parallel step for q, k and v; keys are rotated straight into the cache; the output projection adds the residual
// The projections may be three matrices or the rows of one (att_proj = [q; k; v]): the same code reads both.
#pragma once

#include <molmo/layers/linear.hpp>
#include <molmo/layers/norm.hpp>
#include <molmo/ops/attention/attention.hpp>
#include <molmo/ops/rope/rope.hpp>

#include <cstring>

namespace molmo::inline v0 {

/// What an Attention is; part of its type. Neither depth nor vocabulary is, so models with equal heads share code.
struct AttentionShape {
  index_t d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, out_bias = false;
  bool fused = false;  ///< att_proj instead of q, k, v
  QkNorm qk_norm = QkNorm::none;
  LayerNormType norm_type = LayerNormType::rms;

  friend constexpr bool operator==(const AttentionShape&, const AttentionShape&) = default;
  [[nodiscard]] constexpr index_t q_width() const { return n_heads * head_dim; }
  [[nodiscard]] constexpr index_t kv_width() const { return n_kv_heads * head_dim; }
  [[nodiscard]] constexpr index_t qkv_width() const { return q_width() + 2 * kv_width(); }
};

/// Values that are no part of the type.
struct AttentionOptions {
  double norm_eps = 1e-5;
  double clip_qkv = 0;
};

/// One layer's part of a KV cache: [kv head][position][head_dim], kv heads `head_stride` floats apart.
struct KvLayer {
  float* k = nullptr;
  float* v = nullptr;
  index_t head_stride = 0;
  index_t past = 0;  ///< positions already there
};

/// Memory for one step, owned by the session: [tokens][qkv_width], [tokens][q_width], and the RoPE tables.
struct AttentionScratch {
  float* qkv = nullptr;
  float* heads = nullptr;
  const float* cosines = nullptr;
  const float* sines = nullptr;
};

template <AttentionShape S>
struct Attention {
  static constexpr index_t q_norm_width = S.qk_norm == QkNorm::whole ? S.q_width() : S.head_dim;
  static constexpr index_t k_norm_width = S.qk_norm == QkNorm::whole ? S.kv_width() : S.head_dim;

  Linear<S.q_width(), S.d_model, S.qkv_bias> q;
  Linear<S.kv_width(), S.d_model, S.qkv_bias> k, v;
  Linear<S.qkv_width(), S.d_model, S.qkv_bias> att_proj;
  Norm<NormShape{q_norm_width, S.norm_type}> q_norm;
  Norm<NormShape{k_norm_width, S.norm_type}> k_norm;
  Linear<S.d_model, S.q_width(), S.out_bias> o;

  template <class Visit>
  constexpr void each_parameter(Visit&& visit) {
    if constexpr (S.fused) {
      visit("att_proj", att_proj);
    } else {
      visit("q", q);
      visit("k", k);
      visit("v", v);
    }
    if constexpr (S.qk_norm != QkNorm::none) {
      visit("q_norm", q_norm);
      visit("k_norm", k_norm);
    }
    visit("o", o);
  }

  /// From x (normalised, [tokens, d_model]) to the heads' outputs in scratch.heads; fills `kv` at past ... past + tokens.
  template <class Ctx>
  void attend(const Ctx& ctx, View<const float, Shape<dyn, S.d_model>> x, const KvLayer& kv,
              const AttentionScratch& scratch, const AttentionOptions& options) const {
    const index_t tokens = x.tokens();
    float* const qs = scratch.qkv;
    float* const ks = qs + S.q_width();
    float* const vs = ks + S.kv_width();
    project(ctx, Rows{x.data, tokens, S.d_model, S.d_model}, scratch.qkv);
    if (options.clip_qkv > 0) {
      View<float, Shape<dyn, S.qkv_width()>> all(scratch.qkv, tokens);
      on(ctx, all) = clamp(all, -options.clip_qkv, options.clip_qkv);
    }
    if constexpr (S.qk_norm == QkNorm::whole) {
      q_norm.forward(ctx, qs, qs, tokens, S.qkv_width(), options.norm_eps);
      k_norm.forward(ctx, ks, ks, tokens, S.qkv_width(), options.norm_eps);
    } else if constexpr (S.qk_norm == QkNorm::per_head) {
      for (index_t t = 0; t < tokens; ++t) {
        q_norm.forward(ctx, qs + t * S.qkv_width(), qs + t * S.qkv_width(), S.n_heads, S.head_dim, options.norm_eps);
        k_norm.forward(ctx, ks + t * S.qkv_width(), ks + t * S.qkv_width(), S.n_kv_heads, S.head_dim, options.norm_eps);
      }
    }
    const float* cosines = scratch.cosines;
    const float* sines = scratch.sines;
    const index_t here = kv.past * S.head_dim;
    rope(ctx, RopeHeads{qs, qs, tokens, S.n_heads, S.head_dim, S.qkv_width(), S.head_dim, S.qkv_width(), S.head_dim,
                        cosines, sines});
    rope(ctx, RopeHeads{ks, kv.k + here, tokens, S.n_kv_heads, S.head_dim, S.qkv_width(), S.head_dim, S.head_dim,
                        kv.head_stride, cosines, sines});
    for (index_t t = 0; t < tokens; ++t)
      for (index_t h = 0; h < S.n_kv_heads; ++h)
        std::memcpy(kv.v + h * kv.head_stride + here + t * S.head_dim, vs + t * S.qkv_width() + h * S.head_dim,
                    static_cast<std::size_t>(S.head_dim) * sizeof(float));
    attention(ctx, AttentionRows{qs, scratch.heads, kv.k, kv.v, tokens, kv.past, S.n_heads, S.n_kv_heads, S.head_dim,
                                 S.qkv_width(), S.q_width(), kv.head_stride,
                                 1.0f / std::sqrt(static_cast<float>(S.head_dim))});
  }

 private:
  // y rows = [q | k | v].
  template <class Ctx>
  void project(const Ctx& ctx, const Rows& x, float* y) const {
    constexpr index_t width = S.qkv_width();
    if constexpr (S.fused) {
      multiply(ctx, x, product(att_proj.weight.matrix(), att_proj.bias.data, y, width));
    } else {
      multiply(ctx, x, product(q.weight.matrix(), q.bias.data, y, width),
               product(k.weight.matrix(), k.bias.data, y + S.q_width(), width),
               product(v.weight.matrix(), v.bias.data, y + S.q_width() + S.kv_width(), width));
    }
  }
  static auto product(const WeightMatrix& w, [[maybe_unused]] const float* bias, float* y, index_t stride) {
    if constexpr (S.qkv_bias) {
      const auto e = acc_plus_row(bias);
      return Product<float, std::remove_cvref_t<decltype(e)>>{w, y, stride, e};
    } else {
      return Product<float, Acc>{w, y, stride, acc};
    }
  }
};

}  // namespace molmo::inline v0
