// SPDX-License-Identifier: Apache-2.0
// LlmConfig: the sizes and switches of a decoder as a value, to be put between angle brackets: Llm<config>.
//
// Field names are those of the Molmo/OLMo configurations. Scalars only: a config is a template argument, and nvcc
// launches no kernel whose type mentions one with an array in it. What 0 means stands beside the field. Checked<config>
// refuses contradictory values while compiling.
#pragma once

#include <molmo/core/shape.hpp>

#include <cstdint>

namespace molmo::inline v0 {

/// How the matrices of a block are stored. Both compute the same function.
enum class BlockType : std::uint8_t {
  llama,       ///< separate q, k, v, gate and up matrices (Hugging Face checkpoints)
  sequential,  ///< fused att_proj = rows [q; k; v] and ff_proj = rows [up; gate] (Molmo and OLMo checkpoints)
};

enum class LayerNormType : std::uint8_t {
  rms,  ///< x * rsqrt(mean(x^2) + eps)
  layer_norm,
};

/// When the product with the norm's weight is rounded (matters for bf16 and f16 activations only).
enum class NormOrder : std::uint8_t {
  cast_then_scale,  ///< w * cast(n): Llama, Qwen2, Molmo
  scale_then_cast,  ///< cast(w * n): OLMo-2
};

/// RMSNorm of queries and keys before RoPE.
enum class QkNorm : std::uint8_t {
  none,
  whole,     ///< over the projected vector, n_heads * head_dim wide (OLMo-2)
  per_head,  ///< over each head, head_dim wide (Qwen3)
};

enum class ActivationType : std::uint8_t { silu, gelu, gelu_tanh, quick_gelu, relu };

enum class RopeScaling : std::uint8_t { none, llama3 };

/// A dense decoder. Designated initialisers, in this order:
/// `inline constexpr molmo::LlmConfig shrimp{.d_model = 1024, .n_heads = 16, .n_layers = 12, ...};`
struct LlmConfig {
  // sizes
  index_t d_model = 0;
  index_t n_heads = 0;
  index_t n_kv_heads = 0;  ///< 0: n_heads
  index_t head_dim = 0;    ///< 0: d_model / n_heads
  index_t n_layers = 0;
  index_t mlp_hidden_size = 0;  ///< F, the inner width of the feed-forward (importers convert the fused 2F)
  index_t vocab_size = 0;
  index_t embedding_size = 0;         ///< rows of the embedding and columns of the logits; 0: vocab_size
  index_t additional_vocab_size = 0;  ///< extra embedding rows that are input only, never generated
  index_t max_sequence_length = 2048;

  // block
  BlockType block_type = BlockType::llama;
  bool norm_after = false;  ///< OLMo-2: normalise what attention and feed-forward return, not what they get
  ActivationType activation_type = ActivationType::silu;
  bool gated = true;  ///< down(act(gate x) * up x); false: down(act(up x))
  LayerNormType layer_norm_type = LayerNormType::rms;
  bool layer_norm_with_weight = true;  ///< false for OLMo-1
  bool layer_norm_with_bias = false;
  double layer_norm_eps = 1e-5;
  NormOrder norm_order = NormOrder::cast_then_scale;  ///< of the checkpoint; Llm calculates in f32, where both agree

  // attention
  bool qkv_bias = false;
  bool attention_out_bias = false;
  bool mlp_bias = false;
  QkNorm attention_layer_norm = QkNorm::none;
  double clip_qkv = 0;  ///< clamp q, k, v to [-c, c]; 0: off
  double rope_theta = 10000;
  RopeScaling rope_scaling = RopeScaling::none;
  double rope_factor = 1;
  double rope_low_freq_factor = 1;
  double rope_high_freq_factor = 4;
  index_t rope_original_max_position = 8192;

  // head
  bool weight_tying = false;  ///< the head is the embedding, transposed

  friend constexpr bool operator==(const LlmConfig&, const LlmConfig&) = default;

  [[nodiscard]] constexpr index_t kv_heads() const { return n_kv_heads ? n_kv_heads : n_heads; }
  [[nodiscard]] constexpr index_t head_size() const { return head_dim ? head_dim : d_model / n_heads; }
  [[nodiscard]] constexpr index_t embedding_rows() const { return embedding_size ? embedding_size : vocab_size; }
  [[nodiscard]] constexpr index_t q_width() const { return n_heads * head_size(); }
  [[nodiscard]] constexpr index_t kv_width() const { return kv_heads() * head_size(); }
};

/// Stops the compilation where a config contradicts itself, with one sentence per rule.
template <LlmConfig C>
struct Checked {
  static_assert(C.d_model > 0 && C.n_heads > 0 && C.n_layers > 0 && C.mlp_hidden_size > 0 && C.vocab_size > 0,
                "molmo: LlmConfig needs positive d_model, n_heads, n_layers, mlp_hidden_size and vocab_size");
  static_assert(C.n_kv_heads >= 0 && C.head_dim >= 0 && C.embedding_size >= 0 && C.additional_vocab_size >= 0 &&
                    C.clip_qkv >= 0,
                "molmo: LlmConfig::n_kv_heads, head_dim, embedding_size, additional_vocab_size and clip_qkv must not "
                "be negative");
  static_assert(C.head_dim > 0 || C.d_model % C.n_heads == 0,
                "molmo: LlmConfig::d_model must be a multiple of n_heads, or head_dim must be given");
  static_assert(C.n_heads % C.kv_heads() == 0, "molmo: LlmConfig::n_heads must be a multiple of n_kv_heads");
  static_assert(C.head_size() % 2 == 0, "molmo: LlmConfig::head_dim must be even, because RoPE rotates pairs");
  static_assert(C.embedding_rows() >= C.vocab_size,
                "molmo: LlmConfig::embedding_size must not be smaller than vocab_size");
  static_assert(C.layer_norm_eps >= 0, "molmo: LlmConfig::layer_norm_eps must not be negative");
  static_assert(C.rope_theta > 0 && C.rope_factor > 0, "molmo: LlmConfig::rope_theta and rope_factor must be positive");
  static_assert(C.max_sequence_length > 0, "molmo: LlmConfig::max_sequence_length must be positive");
  static constexpr bool value = true;
};

}  // namespace molmo::inline v0
