// SPDX-License-Identifier: Apache-2.0
// The list of models and the list of backends.
#include "models.hpp"

#include "config_list.hpp"

#include <array>
#include <iterator>

namespace molmo_tool {

Ready run_on_reference(int threads, std::size_t index, std::unique_ptr<Weights> weights);
Ready run_on_xsimd(int threads, std::size_t index, std::unique_ptr<Weights> weights);
Ready run_on_onednn(int threads, std::size_t index, std::unique_ptr<Weights> weights);
Ready run_on_eigen(int threads, std::size_t index, std::unique_ptr<Weights> weights);

namespace {

constexpr CompiledIn describe(const LlmConfig& config) {
  for (const OwnName& own : own_names)
    if (own.config == config) return {own.name, own.where, false, config};
  for (const zoo::Published& p : zoo::published)
    if (p.config == config) return {p.name, p.hub_id, true, config};
  return {"unnamed", "", false, config};
}

template <LlmConfig... C>
constexpr auto describe_all(ConfigList<C...>) {
  return std::array{describe(C)...};
}
constexpr auto all_models = describe_all(Configs{});

// The costs that models.hpp counts at run time are those of the types.
template <LlmConfig C>
constexpr bool costs_agree() {
  constexpr MemoryPlan of_type = memory_plan<Llm<C>>({.context = 100}), counted = memory_plan_of(C, {.context = 100});
  return parameters_of(C) == Llm<C>::parameters() && kv_bytes_of(C) == Llm<C>::kv_bytes_per_token() &&
         of_type.kv_cache == counted.kv_cache && of_type.workspace == counted.workspace &&
         of_type.logits == counted.logits;
}
template <LlmConfig... C>
constexpr bool all_costs_agree(ConfigList<C...>) {
  return (costs_agree<C>() && ...);
}
static_assert(all_costs_agree(Configs{}));

struct Backend {
  std::string_view name;
  Ready (*run_on)(int threads, std::size_t index, std::unique_ptr<Weights> weights);
};
constexpr Backend all_backends[] = {
#if MOLMO_HAS_XSIMD
    {"xsimd", &run_on_xsimd},
#if MOLMO_HAS_ONEDNN
    {"onednn", &run_on_onednn},
#endif
#endif
#if MOLMO_HAS_EIGEN
    {"eigen", &run_on_eigen},
#endif
    {"reference", &run_on_reference},
};
constexpr auto backend_names = [] {
  std::array<std::string_view, std::size(all_backends)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = all_backends[i].name;
  return names;
}();

}  // namespace

std::span<const CompiledIn> compiled_in() { return all_models; }

result<std::size_t> find_compiled_in(const LlmConfig& config) {
  std::size_t nearest = 0;
  for (std::size_t i = 0; i < all_models.size(); ++i) {
    if (differences(all_models[i].config, config).empty()) return i;
    if (config_distance(config, all_models[i].config) < config_distance(config, all_models[nearest].config))
      nearest = i;
  }
  std::string report;
  for (const std::string& line : differences(all_models[nearest].config, config)) report += text("\n  ", line);
  return fail(
      errc::unsupported,
      text("this model's shape is not compiled in; the nearest, ", all_models[nearest].name, ", differs in", report,
           "\nto run it, put this line and the name my_model into tools/molmo/config_list.hpp, and build again:\n  ",
           config_text(config)));
}

std::span<const std::string_view> backends() { return backend_names; }

Ready run_on(std::string_view backend, int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  const Backend* chosen = &all_backends[0];
  for (const Backend& b : all_backends)
    if (b.name == backend) chosen = &b;
  return chosen->run_on(threads, index, std::move(weights));
}

}  // namespace molmo_tool
