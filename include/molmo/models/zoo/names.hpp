// SPDX-License-Identifier: Apache-2.0
// Name tables: what a checkpoint calls the tensors of our layers.
//
// Our own (canonical) names: embedding | new_embedding | blocks.{}.attention_norm |
// blocks.{}.attention.{q,k,v,o,q_norm,k_norm} | blocks.{}.feed_forward_norm | blocks.{}.feed_forward.{gate,up,down} |
// final_norm | head, each with .weight or .bias; fused blocks have blocks.{}.attention.att_proj (rows q, k, v) and
// blocks.{}.feed_forward.ff_proj (rows up, gate). {} is the layer's number. A table pairs the names without their last
// part, which is the same on both sides; a pair of whole names goes first.
#pragma once

#include <molmo/core/result.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace molmo::inline v0::zoo {

struct NamePair {
  std::string_view ours, theirs;
};

namespace detail {

/// Position and length of the first part of a dotted name that is only digits; length 0 where there is none.
struct LayerNumber {
  std::size_t at = 0, size = 0;
};
[[nodiscard]] constexpr LayerNumber layer_number(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    std::size_t end = name.find('.', at);
    if (end == name.npos) end = name.size();
    bool digits = end > at;
    for (std::size_t i = at; i < end; ++i) digits = digits && name[i] >= '0' && name[i] <= '9';
    if (digits) return {at, end - at};
    at = end + 1;
  }
  return {};
}

/// Does `name`, with its layer number taken out, spell `pattern`?
[[nodiscard]] constexpr bool matches(std::string_view pattern, std::string_view name, LayerNumber n) {
  const std::size_t hole = pattern.find("{}");
  if (hole == pattern.npos) return pattern == name;
  return n.size > 0 && hole == n.at && pattern.substr(0, hole) == name.substr(0, n.at) &&
         pattern.substr(hole + 2) == name.substr(n.at + n.size);
}

[[nodiscard]] inline std::string filled(std::string_view pattern, std::string_view number) {
  const std::size_t hole = pattern.find("{}");
  if (hole == pattern.npos) return std::string(pattern);
  return text(pattern.substr(0, hole), number, pattern.substr(hole + 2));
}

}  // namespace detail

/// The checkpoint's name of our tensor `canonical` ("blocks.7.attention.q.weight"); empty where the table has none.
[[nodiscard]] inline std::string checkpoint_name(std::span<const NamePair> names, std::string_view canonical) {
  const detail::LayerNumber n = detail::layer_number(canonical);
  const std::string_view number = canonical.substr(n.at, n.size);
  for (const NamePair& p : names)
    if (detail::matches(p.ours, canonical, n)) return detail::filled(p.theirs, number);
  const std::size_t dot = canonical.rfind('.');
  if (dot == canonical.npos) return {};
  for (const NamePair& p : names)
    if (detail::matches(p.ours, canonical.substr(0, dot), n))
      return detail::filled(p.theirs, number).append(canonical.substr(dot));
  return {};
}

/// Hugging Face's names of a pre-norm decoder: Llama, Qwen2, Qwen3, OLMo-1.
inline constexpr NamePair llama_names[] = {
    {"embedding", "model.embed_tokens"},
    {"blocks.{}.attention_norm", "model.layers.{}.input_layernorm"},
    {"blocks.{}.attention.q", "model.layers.{}.self_attn.q_proj"},
    {"blocks.{}.attention.k", "model.layers.{}.self_attn.k_proj"},
    {"blocks.{}.attention.v", "model.layers.{}.self_attn.v_proj"},
    {"blocks.{}.attention.o", "model.layers.{}.self_attn.o_proj"},
    {"blocks.{}.attention.q_norm", "model.layers.{}.self_attn.q_norm"},
    {"blocks.{}.attention.k_norm", "model.layers.{}.self_attn.k_norm"},
    {"blocks.{}.feed_forward_norm",
     "model.layers.{}.post_attention_layernorm"},  // after attention: before the feed-forward
    {"blocks.{}.feed_forward.gate", "model.layers.{}.mlp.gate_proj"},
    {"blocks.{}.feed_forward.up", "model.layers.{}.mlp.up_proj"},
    {"blocks.{}.feed_forward.down", "model.layers.{}.mlp.down_proj"},
    {"final_norm", "model.norm"},
    {"head", "lm_head"},
};

/// Hugging Face's names of OLMo-2, which normalises what attention and feed-forward return.
inline constexpr NamePair olmo2_names[] = {
    {"embedding", "model.embed_tokens"},
    {"blocks.{}.attention_norm",
     "model.layers.{}.post_attention_layernorm"},  // the same name as Llama's, another place
    {"blocks.{}.attention.q", "model.layers.{}.self_attn.q_proj"},
    {"blocks.{}.attention.k", "model.layers.{}.self_attn.k_proj"},
    {"blocks.{}.attention.v", "model.layers.{}.self_attn.v_proj"},
    {"blocks.{}.attention.o", "model.layers.{}.self_attn.o_proj"},
    {"blocks.{}.attention.q_norm", "model.layers.{}.self_attn.q_norm"},
    {"blocks.{}.attention.k_norm", "model.layers.{}.self_attn.k_norm"},
    {"blocks.{}.feed_forward_norm", "model.layers.{}.post_feedforward_layernorm"},
    {"blocks.{}.feed_forward.gate", "model.layers.{}.mlp.gate_proj"},
    {"blocks.{}.feed_forward.up", "model.layers.{}.mlp.up_proj"},
    {"blocks.{}.feed_forward.down", "model.layers.{}.mlp.down_proj"},
    {"final_norm", "model.norm"},
    {"head", "lm_head"},
};

/// The language model inside a Molmo (v1) checkpoint: fused blocks, BlockType::sequential. Embeddings have no
/// ".weight".
inline constexpr NamePair molmo_names[] = {
    {"embedding.weight", "model.transformer.wte.embedding"},
    {"new_embedding.weight", "model.transformer.wte.new_embedding"},
    {"blocks.{}.attention_norm", "model.transformer.blocks.{}.attn_norm"},
    {"blocks.{}.attention.att_proj", "model.transformer.blocks.{}.att_proj"},
    {"blocks.{}.attention.o", "model.transformer.blocks.{}.attn_out"},
    {"blocks.{}.attention.q_norm", "model.transformer.blocks.{}.q_norm"},
    {"blocks.{}.attention.k_norm", "model.transformer.blocks.{}.k_norm"},
    {"blocks.{}.feed_forward_norm", "model.transformer.blocks.{}.ff_norm"},
    {"blocks.{}.feed_forward.ff_proj", "model.transformer.blocks.{}.ff_proj"},
    {"blocks.{}.feed_forward.down", "model.transformer.blocks.{}.ff_out"},
    {"final_norm", "model.transformer.ln_f"},
    {"head", "model.transformer.ff_out"},
};

}  // namespace molmo::inline v0::zoo
