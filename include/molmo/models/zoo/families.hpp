// SPDX-License-Identifier: Apache-2.0
// All families and all published configs; read_config() picks the reader by config.json's model_type.
//
// A new family is one header beside the others and two lines here.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/models/zoo/config_text.hpp>
#include <molmo/models/zoo/family.hpp>
#include <molmo/models/zoo/llama.hpp>
#include <molmo/models/zoo/olmo.hpp>
#include <molmo/models/zoo/olmo2.hpp>
#include <molmo/models/zoo/qwen2.hpp>
#include <molmo/models/zoo/qwen3.hpp>

#include <array>
#include <string>
#include <string_view>

namespace molmo::inline v0::zoo {

inline constexpr std::array<const Family*, 5> families{&llama::family, &qwen2::family, &qwen3::family, &olmo::family,
                                                       &olmo2::family};

/// A model that exists, under the name of its constant here and its id on the Hugging Face hub.
struct Published {
  std::string_view name, hub_id;
  LlmConfig config;
  const Family* family;
};

inline constexpr std::array published{
    Published{"stories260k", "karpathy/tinyllamas", stories260k, &llama::family},
    Published{"llama2_7b", "meta-llama/Llama-2-7b-hf", llama2_7b, &llama::family},
    Published{"llama2_13b", "meta-llama/Llama-2-13b-hf", llama2_13b, &llama::family},
    Published{"llama2_70b", "meta-llama/Llama-2-70b-hf", llama2_70b, &llama::family},
    Published{"llama3_8b", "meta-llama/Meta-Llama-3-8B", llama3_8b, &llama::family},
    Published{"llama3_70b", "meta-llama/Meta-Llama-3-70B", llama3_70b, &llama::family},
    Published{"llama3_1_8b", "meta-llama/Llama-3.1-8B", llama3_1_8b, &llama::family},
    Published{"llama3_1_70b", "meta-llama/Llama-3.1-70B", llama3_1_70b, &llama::family},
    Published{"llama3_2_1b", "meta-llama/Llama-3.2-1B", llama3_2_1b, &llama::family},
    Published{"llama3_2_3b", "meta-llama/Llama-3.2-3B", llama3_2_3b, &llama::family},
    Published{"qwen2_5_0_5b", "Qwen/Qwen2.5-0.5B", qwen2_5_0_5b, &qwen2::family},
    Published{"qwen2_5_1_5b", "Qwen/Qwen2.5-1.5B", qwen2_5_1_5b, &qwen2::family},
    Published{"qwen2_5_3b", "Qwen/Qwen2.5-3B", qwen2_5_3b, &qwen2::family},
    Published{"qwen2_5_7b", "Qwen/Qwen2.5-7B", qwen2_5_7b, &qwen2::family},
    Published{"qwen2_5_14b", "Qwen/Qwen2.5-14B", qwen2_5_14b, &qwen2::family},
    Published{"qwen2_5_32b", "Qwen/Qwen2.5-32B", qwen2_5_32b, &qwen2::family},
    Published{"qwen2_5_72b", "Qwen/Qwen2.5-72B", qwen2_5_72b, &qwen2::family},
    Published{"qwen2_0_5b", "Qwen/Qwen2-0.5B", qwen2_0_5b, &qwen2::family},
    Published{"qwen2_1_5b", "Qwen/Qwen2-1.5B", qwen2_1_5b, &qwen2::family},
    Published{"qwen2_7b", "Qwen/Qwen2-7B", qwen2_7b, &qwen2::family},
    Published{"qwen2_72b", "Qwen/Qwen2-72B", qwen2_72b, &qwen2::family},
    Published{"qwen3_0_6b", "Qwen/Qwen3-0.6B", qwen3_0_6b, &qwen3::family},
    Published{"qwen3_1_7b", "Qwen/Qwen3-1.7B", qwen3_1_7b, &qwen3::family},
    Published{"qwen3_4b", "Qwen/Qwen3-4B", qwen3_4b, &qwen3::family},
    Published{"qwen3_8b", "Qwen/Qwen3-8B", qwen3_8b, &qwen3::family},
    Published{"qwen3_14b", "Qwen/Qwen3-14B", qwen3_14b, &qwen3::family},
    Published{"qwen3_32b", "Qwen/Qwen3-32B", qwen3_32b, &qwen3::family},
    Published{"olmo_1b", "allenai/OLMo-1B-hf", olmo_1b, &olmo::family},
    Published{"olmo_7b", "allenai/OLMo-7B-hf", olmo_7b, &olmo::family},
    Published{"olmo_7b_0424", "allenai/OLMo-7B-0424-hf", olmo_7b_0424, &olmo::family},
    Published{"olmo2_1b", "allenai/OLMo-2-0425-1B", olmo2_1b, &olmo2::family},
    Published{"olmo2_7b", "allenai/OLMo-2-1124-7B", olmo2_7b, &olmo2::family},
    Published{"olmo2_13b", "allenai/OLMo-2-1124-13B", olmo2_13b, &olmo2::family},
    Published{"olmo2_32b", "allenai/OLMo-2-0325-32B", olmo2_32b, &olmo2::family},
};

/// The family that config.json's model_type names. errc::unsupported for others, with the list of those known.
[[nodiscard]] inline result<const Family*> find_family(const json::Value& config) {
  json::Fields f(config);
  const std::string_view type = f.ok() ? f.string("model_type") : std::string_view{};
  if (!f.ok()) return fail(f.error());
  std::string known;
  for (const Family* family : families) {
    if (family->model_type == type) return family;
    known += text(known.empty() ? "" : ", ", family->model_type);
  }
  return fail(errc::unsupported, text("model_type ", in_quotes(type), " is not known; known are ", known));
}

/// config.json as our config. errc::format names the field that is wrong, errc::unsupported what this version cannot
/// run.
[[nodiscard]] inline result<LlmConfig> read_config(const json::Value& config) {
  return without_bad_alloc("reading a config", [&]() -> result<LlmConfig> {
    const result<const Family*> family = find_family(config);
    if (!family) return fail(family.error());
    return (*family)->read(config);
  });
}

/// The published model most like `wanted` (the first on ties).
[[nodiscard]] inline const Published& nearest_published(const LlmConfig& wanted) {
  const Published* best = &published[0];
  for (const Published& p : published)
    if (config_distance(wanted, p.config) < config_distance(wanted, best->config)) best = &p;
  return *best;
}

}  // namespace molmo::inline v0::zoo
