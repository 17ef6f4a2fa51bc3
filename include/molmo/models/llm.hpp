// SPDX-License-Identifier: Apache-2.0
// Llm<config>: a decoder-only language model as a type.
//
//   inline constexpr molmo::LlmConfig shrimp{.d_model = 1024, .n_heads = 16, .n_kv_heads = 4, .n_layers = 12, ...};
//   using Shrimp = molmo::Llm<shrimp>;
//   static_assert(Shrimp::parameters() < 300'000'000);
// An object holds views of weights only (they lie in the mapped checkpoint); it is const while it runs, so any number
// of sessions in any number of threads may share it. Layers are a loop over one block type. The memory of a step,
// Workspace, and the KV cache belong to the session (run/session.hpp).
#pragma once

#include <molmo/core/memory.hpp>
#include <molmo/layers/attention.hpp>
#include <molmo/layers/block.hpp>
#include <molmo/ops/embed/embed.hpp>
#include <molmo/ops/rope/frequencies.hpp>

#include <cstdint>
#include <vector>

namespace molmo::inline v0 {

/// Keys and values of all layers, one after the other (ops/attention/kv.hpp says how each lies); there is room for
/// `capacity` positions, of which `length` are filled.
struct KvCacheView {
  KvHeads first;            ///< those of layer 0
  index_t layer_heads = 0;  ///< kv heads of a layer
  index_t capacity = 0;
  index_t length = 0;

  [[nodiscard]] KvHeads layer(index_t i) const {
    KvHeads h = first;
    const index_t positions = i * layer_heads * h.room;
    const index_t bytes = positions * h.head_dim * kv_element_bytes(h.format);
    h.k += bytes, h.v += bytes;
    if (h.format == KvFormat::q8) h.k_scales += positions, h.v_scales += positions;
    return h;
  }
};

/// The memory of one step of up to `tokens` tokens.
struct LlmWorkspace {
  index_t tokens = 0;
  float* x = nullptr;
  float* inverse_frequencies = nullptr;
  float* cosines = nullptr;
  float* sines = nullptr;
  BlockScratch block;
};

/// Watches the layers of a step: called with the residual stream after the embedding (layer 0) and after each layer;
/// returning false abandons the step.
struct NoObserver {
  template <class Stream>
  bool operator()(index_t, const Stream&) const {
    return true;
  }
};

inline namespace MOLMO_ISA {

/// Bytes that one more position takes in the KV cache of a model, and bytes of a workspace for steps of up to `tokens`
/// tokens. Llm has functions of the same meaning; these are for a config that is known at run time only.
[[nodiscard]] constexpr index_t kv_bytes_per_token(const LlmConfig& c, KvFormat format = KvFormat::f32) {
  const index_t head = c.head_size() * kv_element_bytes(format) + (format == KvFormat::q8 ? 4 : 0);
  return c.n_layers * 2 * c.kv_heads() * head;
}
[[nodiscard]] constexpr std::size_t llm_workspace_bytes(const LlmConfig& c, index_t tokens) {
  const auto n = [tokens](index_t width) { return Arena::padded<float>(static_cast<std::size_t>(tokens * width)); };
  const index_t half = c.head_size() / 2;
  return 2 * n(c.d_model) + Arena::padded<float>(static_cast<std::size_t>(half)) + 2 * n(half) +
         n(c.q_width() + 2 * c.kv_width()) + n(c.q_width()) + n(c.mlp_hidden_size) +
         Arena::padded<float>(attention_scratch(tokens, c.n_heads, c.kv_heads(), c.head_size()));
}

}  // inline namespace MOLMO_ISA

template <LlmConfig C>
class Llm {
 public:
  static_assert(Checked<C>::value);
  static constexpr LlmConfig config = C;
  static constexpr index_t logits_size = C.embedding_rows();

  using BlockType = Block<BlockShape::of(C)>;
  using Stream = View<float, Shape<dyn, C.d_model>>;

  Weight<Shape<C.embedding_rows(), C.d_model>> embedding;
  Weight<Shape<(C.additional_vocab_size ? C.additional_vocab_size : 1), C.d_model>> new_embedding;
  std::vector<BlockType> blocks{static_cast<std::size_t>(C.n_layers)};
  Norm<BlockShape::of(C).norm> final_norm;
  Weight<Shape<C.embedding_rows(), C.d_model>> head;

  /// found(name, parameter) for every parameter that a checkpoint holds; a tied head is none of them.
  template <class F>
  void each_parameter(F&& found) {
    found("embedding.weight", embedding);
    if constexpr (C.additional_vocab_size > 0) found("new_embedding.weight", new_embedding);
    for (std::size_t i = 0; i < blocks.size(); ++i) walk(text("blocks.", i), blocks[i], found);
    walk("final_norm", final_norm, found);
    if constexpr (!C.weight_tying) found("head.weight", head);
  }

  /// Numbers in a checkpoint of this model.
  [[nodiscard]] static constexpr index_t parameters() {
    const index_t table = C.embedding_rows() * C.d_model;
    return table * (C.weight_tying ? 1 : 2) + C.additional_vocab_size * C.d_model +
           C.n_layers * parameter_count<BlockType>() + parameter_count<Norm<BlockShape::of(C).norm>>();
  }
  /// Bytes of all weights in the format F.
  template <WeightFormat F>
  [[nodiscard]] static constexpr index_t weight_bytes() {
    return format_bytes<F>(parameters());
  }
  // What calculates is a template of a backend, here of the plainest: so each instruction set has its own
  // (docs/embed.md).

  /// Bytes that one more position takes in the KV cache.
  template <class Ctx = Reference>
  [[nodiscard]] static constexpr index_t kv_bytes_per_token(KvFormat format = KvFormat::f32) {
    return molmo::kv_bytes_per_token(C, format);
  }
  /// Multiply-adds count as two; `context` positions are attended to.
  template <class Ctx = Reference>
  [[nodiscard]] static constexpr double flops_per_token(index_t context = 0) {
    const double matrices = static_cast<double>(parameters() - (C.weight_tying ? 0 : C.embedding_rows() * C.d_model) -
                                                C.additional_vocab_size * C.d_model);
    return 2 * matrices + 4.0 * static_cast<double>(C.n_layers * C.q_width()) * static_cast<double>(context);
  }

  /// Bytes of the workspace for steps of up to `tokens` tokens.
  template <class Ctx = Reference>
  [[nodiscard]] static constexpr std::size_t workspace_bytes(index_t tokens) { return llm_workspace_bytes(C, tokens); }
  /// A workspace in `arena`, which has workspace_bytes(tokens) left.
  template <class Ctx = Reference>
  [[nodiscard]] static LlmWorkspace make_workspace(Arena& arena, index_t tokens) {
    const auto take = [&](index_t width) { return arena.take<float>(static_cast<std::size_t>(tokens * width)); };
    const index_t half = C.head_size() / 2;
    LlmWorkspace w;
    w.tokens = tokens;
    w.x = take(C.d_model);
    w.block.normed = take(C.d_model);
    w.inverse_frequencies = arena.take<float>(static_cast<std::size_t>(half));
    w.cosines = take(half);
    w.sines = take(half);
    w.block.attention.qkv = take(C.q_width() + 2 * C.kv_width());
    w.block.attention.heads = take(C.q_width());
    if (const std::size_t n = attention_scratch(tokens, C.n_heads, C.kv_heads(), C.head_size()); n > 0)
      w.block.attention.partial = arena.take<float>(n);
    w.block.hidden = take(C.mlp_hidden_size);
    w.block.attention.cosines = w.cosines;
    w.block.attention.sines = w.sines;
    rope_inverse_frequencies(RopeFrequencies::of(C), w.inverse_frequencies);
    return w;
  }

  /// One step: `tokens` new ids (all inside the vocabulary, at most workspace.tokens, room in the cache) at positions
  /// kv.length and after. Writes the logits of the last `logit_rows` of them, [logit_rows][logits_size], and appends to
  /// the cache. False when the observer abandoned it; the cache then is as before.
  template <class Ctx, class Observer = NoObserver>
  bool forward(const Ctx& ctx, const std::int32_t* ids, index_t tokens, KvCacheView& kv, const LlmWorkspace& w,
               float* logits, index_t logit_rows, Observer&& observe = {}) const {
    const Stream x(w.x, tokens);
    embed(ctx, ids, tokens, embedding.matrix(), new_embedding.matrix(), w.x);
    rope_table(w.inverse_frequencies, C.head_size() / 2, kv.length, tokens, w.cosines, w.sines);
    if (!observe(index_t{0}, x)) return false;
    constexpr AttentionOptions options{C.layer_norm_eps, C.clip_qkv};
    for (index_t layer = 0; layer < C.n_layers; ++layer) {
      const KvLayer slot{kv.layer(layer), kv.length};
      blocks[static_cast<std::size_t>(layer)].forward(ctx, x, slot, w.block, options);
      if (!observe(layer + 1, x)) return false;
    }
    kv.length += tokens;
    if (logit_rows > 0) {
      const Stream last = x.slice(tokens - logit_rows, logit_rows);
      final_norm.forward(ctx, last, last, C.layer_norm_eps);
      const auto& table = C.weight_tying ? embedding : head;
      on(ctx, View<float, Shape<dyn, logits_size>>(logits, logit_rows)) = matmul(last, table);
    }
    return true;
  }
};

}  // namespace molmo::inline v0
