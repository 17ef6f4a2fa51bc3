// SPDX-License-Identifier: Apache-2.0
// Attention: q, k, v projections (+ biases, clip_qkv, QK-norm), RoPE, attention over the KV cache, output projection.
//
//   1. q, k and v in one parallel step; the thread that has calculated a head also finishes it (finish_heads.hpp)
//   2. attention over the cache
//   3. the output projection, which adds the residual as it stores its results (block.hpp)
// q, k and v may be three matrices, or the rows of one (att_proj = [q; k; v]).
#pragma once

#include <molmo/core/views.hpp>
#include <molmo/layers/finish_heads.hpp>
#include <molmo/layers/linear.hpp>
#include <molmo/ops/attention/attention.hpp>

namespace molmo::inline v0 {

/// The sizes that make up an Attention's type. Depth and vocabulary are not among them, so models whose heads are equal
/// share code.
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

/// Numbers that an Attention needs while it runs and that are no part of its type.
struct AttentionOptions {
  double norm_eps = 1e-5;
  double clip_qkv = 0;
};

/// One layer's part of a KV cache, and the positions that are already there.
struct KvLayer {
  KvHeads heads;
  index_t past = 0;
};

/// Memory for one step, owned by the session.
struct AttentionScratch {
  float* qkv = nullptr;            ///< [tokens][qkv_width]: q, k and v of each token, one after another
  float* heads = nullptr;          ///< [tokens][q_width]: what attention returns
  const float* cosines = nullptr;  ///< [tokens][head_dim / 2], the tables of RoPE
  const float* sines = nullptr;
  float* partial = nullptr;        ///< attention_scratch() floats; null: long contexts have fewer parts to share
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

  /// From x (normalised, [tokens, d_model]) to the heads' outputs in scratch.heads; fills `kv` at
  /// positions past ... past + tokens.
  template <class Ctx>
  void attend(const Ctx& ctx, View<const float, Shape<dyn, S.d_model>> x, const KvLayer& kv,
              const AttentionScratch& scratch, const AttentionOptions& options) const {
    const index_t tokens = x.tokens();
    const View<float, Shape<dyn, S.qkv_width()>> qkv(scratch.qkv, tokens);
    const auto qs = columns<0, S.q_width()>(qkv);
    const auto ks = columns<S.q_width(), S.kv_width()>(qkv);
    const auto vs = columns<S.q_width() + S.kv_width(), S.kv_width()>(qkv);
    const FinishHeads<head_norm(S.qk_norm, S.norm_type)> finish{
        .heads = {qs.data, ks.data, vs.data, S.qkv_width(), tokens, kv.past, S.n_heads, S.n_kv_heads, scratch.cosines,
                  scratch.sines, kv.heads},
        .q_norm = q_norm.row(options.norm_eps),
        .k_norm = k_norm.row(options.norm_eps),
        .grain = heads_fill_panels ? S.head_dim : 1,
        .at_once = heads_fill_panels && S.qk_norm != QkNorm::whole && !(options.clip_qkv > 0)};
    if constexpr (S.fused)
      on(ctx, qkv) = matmul(x, att_proj.weight).then(att_proj.plus_bias(acc)).when_stored(finish);
    else
      on(ctx, qs, ks, vs) = matmul(x, q.weight, k.weight, v.weight)
                                .then(q.plus_bias(acc), k.plus_bias(acc), v.plus_bias(acc))
                                .when_stored(finish);
    if (options.clip_qkv > 0) on(ctx, qkv) = clamp(qkv, -options.clip_qkv, options.clip_qkv);
    if constexpr (S.qk_norm == QkNorm::whole) {
      q_norm.forward(ctx, qs, options.norm_eps);
      k_norm.forward(ctx, ks, options.norm_eps);
    }
    if (!finish.at_once) finish.all(ctx);
    attention(ctx, AttentionRows{qs.data, scratch.heads, kv.heads, tokens, kv.past, S.n_heads, S.n_kv_heads,
                                 S.qkv_width(), S.q_width(), 1.0f / std::sqrt(static_cast<float>(S.head_dim)),
                                 scratch.partial});
  }

 private:
  /// Can threads, which take whole panels of 16 columns, divide those of q, k and v without cutting a head in two?
  static constexpr bool heads_fill_panels = S.head_dim % panel_rows == 0 || panel_rows % S.head_dim == 0;
};

}  // namespace molmo::inline v0
