// SPDX-License-Identifier: Apache-2.0
// Where the matrices of a model lie whose type is one of config_list.hpp.
#include "model_ops.hpp"

#include "config_list.hpp"

#include <molmo/models/llm.hpp>

namespace molmo_tool {
namespace {

template <LlmConfig C>
LayerMatrices layer_of(const void* model, index_t layer) {
  const auto& block = static_cast<const Llm<C>*>(model)->blocks[static_cast<std::size_t>(layer)];
  const auto& a = block.attention;
  const auto& f = block.feed_forward;
  LayerMatrices m;
  m.o = a.o.weight.matrix();
  m.down = f.down.weight.matrix();
  if constexpr (C.block_type == BlockType::sequential) {
    m.q = a.att_proj.weight.matrix();
    const WeightMatrix both = f.ff_proj.weight.matrix();
    m.up = C.gated ? both.slice(0, C.mlp_hidden_size) : both;
    if (C.gated) m.gate = both.slice(C.mlp_hidden_size, C.mlp_hidden_size);
  } else {
    m.q = a.q.weight.matrix();
    m.k = a.k.weight.matrix();
    m.v = a.v.weight.matrix();
    m.up = f.up.weight.matrix();
    if (C.gated) m.gate = f.gate.weight.matrix();
  }
  return m;
}
template <LlmConfig C>
WeightMatrix head_of(const void* model) {
  const auto& m = *static_cast<const Llm<C>*>(model);
  return C.weight_tying ? m.embedding.matrix() : m.head.matrix();
}

template <LlmConfig... C>
LayerMatrices layer_at(ConfigList<C...>, std::size_t index, const void* model, index_t layer) {
  constexpr LayerMatrices (*all[])(const void*, index_t) = {&layer_of<C>...};
  return all[index](model, layer);
}
template <LlmConfig... C>
WeightMatrix head_at(ConfigList<C...>, std::size_t index, const void* model) {
  constexpr WeightMatrix (*all[])(const void*) = {&head_of<C>...};
  return all[index](model);
}

}  // namespace

LayerMatrices layer_matrices(std::size_t index, const void* model, index_t layer) {
  return layer_at(Configs{}, index, model, layer);
}
WeightMatrix head_matrix(std::size_t index, const void* model) { return head_at(Configs{}, index, model); }

}  // namespace molmo_tool
