// SPDX-License-Identifier: Apache-2.0
// Block: one layer of a decoder, attention then feed-forward, each added to the residual stream x.
//
//   pre-norm   (Llama, Qwen, OLMo-1)      x += Attention(norm(x));       x += FeedForward(norm(x))
//   post-norm  (norm_after, OLMo-2)       x += norm(Attention(x));       x += norm(FeedForward(x))
#pragma once

#include <molmo/layers/attention.hpp>
#include <molmo/layers/feed_forward.hpp>

namespace molmo::inline v0 {

/// What makes up a Block's type: LlmConfig without depth, vocabulary and floating-point values.
struct BlockShape {
  AttentionShape attention;
  FeedForwardShape feed_forward;
  NormShape norm;
  bool norm_after = false;

  friend constexpr bool operator==(const BlockShape&, const BlockShape&) = default;

  [[nodiscard]] static constexpr BlockShape of(const LlmConfig& c) {
    const bool fused = c.block_type == BlockType::sequential;
    return {
        .attention = {.d_model = c.d_model,
                      .n_heads = c.n_heads,
                      .n_kv_heads = c.kv_heads(),
                      .head_dim = c.head_size(),
                      .qkv_bias = c.qkv_bias,
                      .out_bias = c.attention_out_bias,
                      .fused = fused,
                      .qk_norm = c.attention_layer_norm,
                      .norm_type = c.layer_norm_type},
        .feed_forward = {.d_model = c.d_model,
                         .hidden = c.mlp_hidden_size,
                         .gated = c.gated,
                         .bias = c.mlp_bias,
                         .fused = fused,
                         .activation = c.activation_type},
        .norm = {c.d_model, c.layer_norm_type, c.layer_norm_with_weight, c.layer_norm_with_bias},
        .norm_after = c.norm_after,
    };
  }
};

/// Memory for one step of a block, owned by the session.
struct BlockScratch {
  AttentionScratch attention;
  float* normed = nullptr;  ///< [tokens][d_model]
  float* hidden = nullptr;  ///< [tokens][feed-forward width]
};

template <BlockShape S>
struct Block {
  static constexpr index_t d_model = S.attention.d_model;
  using Stream = View<float, Shape<dyn, d_model>>;

  Norm<S.norm> attention_norm;
  Attention<S.attention> attention;
  Norm<S.norm> feed_forward_norm;
  FeedForward<S.feed_forward> feed_forward;

  template <class Visit>
  constexpr void each_parameter(Visit&& visit) {
    visit("attention_norm", attention_norm);
    visit("attention", attention);
    visit("feed_forward_norm", feed_forward_norm);
    visit("feed_forward", feed_forward);
  }

  /// x: the residual stream of `x.tokens()` new tokens, changed in place.
  template <class Ctx>
  void forward(const Ctx& ctx, Stream x, const KvLayer& kv, const BlockScratch& scratch,
               const AttentionOptions& options) const {
    const index_t tokens = x.tokens();
    const double eps = options.norm_eps;
    const Stream normed(scratch.normed, tokens);
    const View<const float, Shape<dyn, S.attention.q_width()>> heads(scratch.attention.heads, tokens);
    const View<float, Shape<dyn, S.feed_forward.hidden>> hidden(scratch.hidden, tokens);
    if constexpr (S.norm_after) {
      attention.attend(ctx, x, kv, scratch.attention, options);
      attention.o.forward(ctx, normed, heads);
      attention_norm.forward(ctx, normed, normed, eps);
      on(ctx, x) = x + normed;
      feed_forward.activate(ctx, hidden, x);
      feed_forward.down.forward(ctx, normed, hidden);
      feed_forward_norm.forward(ctx, normed, normed, eps);
      on(ctx, x) = x + normed;
    } else {
      attention_norm.forward(ctx, normed, x, eps);
      attention.attend(ctx, normed, kv, scratch.attention, options);
      attention.o.add_to(ctx, x, heads);
      feed_forward_norm.forward(ctx, normed, x, eps);
      feed_forward.activate(ctx, hidden, normed);
      feed_forward.down.add_to(ctx, x, hidden);
    }
  }
};

}  // namespace molmo::inline v0
