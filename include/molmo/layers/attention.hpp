// SPDX-License-Identifier: Apache-2.0
// Attention: q, k, v projections (+ biases, clip_qkv, QK-norm), RoPE, attention over the KV cache, output projection.
//
//   1. q, k and v in one parallel step. The thread that has calculated a head also normalises and rotates it, and
//      writes its keys and values into the cache.
//   2. Attention over the cache.
//   3. The output projection, which adds the residual as it stores its results.
// q, k and v may be three matrices, or the rows of one (att_proj = [q; k; v]): the same code reads both.
#pragma once

#include <molmo/layers/linear.hpp>
#include <molmo/layers/norm.hpp>
#include <molmo/ops/attention/attention.hpp>
#include <molmo/ops/attention/new_heads.hpp>

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

/// What happens to columns of a projection once they are stored (Product::then): the thread that stored them
/// normalises, rotates and caches the heads they hold. It is called through a pointer, so that models of different
/// types share one compiled matmul.
struct FinishHeads {
  void (*run)(const FinishHeads& f, index_t begin, index_t end) = nullptr;  ///< null: heads are finished later
  const void* layer = nullptr;
  const void* ctx = nullptr;
  const NewHeads* heads = nullptr;
  double eps = 0;
  index_t grain = 1;  ///< columns of a head
  index_t first = 0;  ///< the column of [q | k | v] at which this projection begins

  void operator()(index_t begin, index_t end) const {
    if (run) run(*this, first + begin, first + end);
  }
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
    float* const qs = scratch.qkv;
    float* const ks = qs + S.q_width();
    float* const vs = ks + S.kv_width();
    constexpr index_t width = S.qkv_width();
    const NewHeads heads{
        qs, ks, vs, width, tokens, kv.past, S.n_heads, S.n_kv_heads, scratch.cosines, scratch.sines, kv.heads};
    const bool at_once = heads_fill_panels && S.qk_norm != QkNorm::whole && !(options.clip_qkv > 0);
    FinishHeads finish{nullptr, this, &ctx, &heads, options.norm_eps, heads_fill_panels ? S.head_dim : 1};
    if (at_once)
      finish.run = [](const FinishHeads& f, index_t begin, index_t end) {
        static_cast<const Attention*>(f.layer)->finish_heads(*static_cast<const Ctx*>(f.ctx), *f.heads, begin, end,
                                                             f.eps);
      };
    project(ctx, Rows{x.data, tokens, S.d_model, S.d_model}, finish);
    if (options.clip_qkv > 0) {
      View<float, Shape<dyn, S.qkv_width()>> all(scratch.qkv, tokens);
      on(ctx, all) = clamp(all, -options.clip_qkv, options.clip_qkv);
    }
    if constexpr (S.qk_norm == QkNorm::whole) {
      q_norm.forward(ctx, qs, qs, tokens, S.qkv_width(), options.norm_eps);
      k_norm.forward(ctx, ks, ks, tokens, S.qkv_width(), options.norm_eps);
    }
    if (!at_once) finish_heads(ctx, heads, 0, width, options.norm_eps);
    attention(ctx, AttentionRows{qs, scratch.heads, kv.heads, tokens, kv.past, S.n_heads, S.n_kv_heads, width,
                                 S.q_width(), 1.0f / std::sqrt(static_cast<float>(S.head_dim)), scratch.partial});
  }

 private:
  /// Can threads, which take whole panels of 16 columns, divide those of q, k and v without cutting a head in two?
  static constexpr bool heads_fill_panels = S.head_dim % panel_rows == 0 || panel_rows % S.head_dim == 0;

  /// Columns [begin, end) of [q | k | v], whole heads: normalised (per head), rotated, stored in the cache.
  template <class Ctx>
  void finish_heads(const Ctx& ctx, const NewHeads& a, index_t begin, index_t end, double eps) const {
    constexpr index_t d = S.head_dim;
    // The heads of [first, last) that lie in [begin, end), counted from `first`.
    const auto part = [&](index_t first, index_t last, auto&& body) {
      const index_t from = begin > first ? begin : first, to = end < last ? end : last;
      if (from < to) body((from - first) / d, (to - from) / d);
    };
    const auto normalise = [&](const auto& norm, float* x, index_t h, index_t count) {
      if constexpr (S.qk_norm == QkNorm::per_head)
        for (index_t t = 0; t < a.tokens; ++t)
          norm.forward(ctx, x + t * a.token + h * d, x + t * a.token + h * d, count, d, eps);
    };
    part(0, S.q_width(), [&](index_t h, index_t count) {
      normalise(q_norm, a.q, h, count);
      finish_queries(ctx, a, h, count, 0, a.tokens);
    });
    part(S.q_width(), S.q_width() + S.kv_width(), [&](index_t h, index_t count) {
      normalise(k_norm, a.k, h, count);
      finish_keys(ctx, a, h, count, 0, a.tokens);
    });
    part(S.q_width() + S.kv_width(), S.qkv_width(),
         [&](index_t h, index_t count) { finish_values(ctx, a, h, count, 0, a.tokens); });
  }

  // Rows of [q | k | v].
  template <class Ctx>
  void project(const Ctx& ctx, const Rows& x, const FinishHeads& finish) const {
    constexpr index_t k_at = S.q_width(), v_at = S.q_width() + S.kv_width();
    if constexpr (S.fused)
      multiply(ctx, x, product(att_proj, finish, 0));
    else
      multiply(ctx, x, product(q, finish, 0), product(k, finish, k_at), product(v, finish, v_at));
  }
  template <class L>
  static auto product(const L& linear, FinishHeads finish, index_t first) {
    finish.first = first;
    float* const y = finish.heads->q + first;
    if constexpr (S.qkv_bias) {
      const auto e = acc_plus_row(linear.bias.data);
      return Product<float, std::remove_cvref_t<decltype(e)>, FinishHeads>{linear.weight.matrix(), y, S.qkv_width(), e,
                                                                           finish};
    } else {
      return Product<float, Acc, FinishHeads>{linear.weight.matrix(), y, S.qkv_width(), acc, finish};
    }
  }
};

}  // namespace molmo::inline v0
