// SPDX-License-Identifier: Apache-2.0
// The models that the tool can run. To compile another one in, add its config to `Configs` and, if it is one of your
// own, its name to `own_names`; `molmo inspect DIR` prints the line for a checkpoint.
#pragma once

#include <molmo/models/zoo/families.hpp>

namespace molmo_tool {

using namespace molmo;

/// The bundled demo model, models/shakespeare.
inline constexpr LlmConfig shakespeare{.d_model = 192,
                                       .n_heads = 6,
                                       .n_kv_heads = 2,
                                       .n_layers = 4,
                                       .mlp_hidden_size = 512,
                                       .vocab_size = 1024,
                                       .max_sequence_length = 512,
                                       .norm_after = true,
                                       .layer_norm_eps = 1e-6,
                                       .norm_order = NormOrder::scale_then_cast,
                                       .attention_layer_norm = QkNorm::whole,
                                       .weight_tying = true};

template <LlmConfig... C>
struct ConfigList {};

using Configs = ConfigList<stories260k, shakespeare, olmo_1b, olmo2_1b, qwen2_5_0_5b, qwen2_5_1_5b, llama3_2_1b>;

/// Names of the configs that are not in zoo::published.
struct OwnName {
  const char *name, *where;
  LlmConfig config;
};
inline constexpr OwnName own_names[] = {{"shakespeare", "models/shakespeare", shakespeare}};

}  // namespace molmo_tool
