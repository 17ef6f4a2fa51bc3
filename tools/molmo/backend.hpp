// SPDX-License-Identifier: Apache-2.0
// The models of config_list.hpp on one backend. Included by the backend_*.cpp files only, one backend each.
#pragma once

#include "config_list.hpp"
#include "model_ops.hpp"
#include "models.hpp"

#include <type_traits>

namespace molmo_tool {

template <LlmConfig C, class Ctx>
class OnBackend final : public AnyLlm {
 public:
  OnBackend(std::unique_ptr<Weights> weights, const Ctx& ctx)
      : weights_(std::move(weights)),
        ctx_(ctx),
        facts_{C, M::parameters(), M::kv_bytes_per_token(), M::flops_per_token(), weights_->bytes} {}
  const ModelFacts& facts() const override { return facts_; }
  MemoryPlan plan(const SessionOptions& options) const override { return memory_plan<M>(options); }
  result<std::unique_ptr<AnySession>> start(const SessionOptions& options) const override {
    result<Session<M, Ctx>> s = make_session(*static_cast<const M*>(weights_->model), ctx_, options);
    if (!s) return fail(s.error());
    return std::unique_ptr<AnySession>(std::make_unique<molmo::detail::SessionBox<M, Ctx>>(weights_, std::move(*s)));
  }

 private:
  using M = Llm<C>;
  std::shared_ptr<const Weights> weights_;
  Ctx ctx_;
  ModelFacts facts_;
};

template <LlmConfig C, class Ctx>
std::unique_ptr<AnyLlm> box(std::unique_ptr<Weights> weights, const Ctx& ctx) {
  return std::make_unique<OnBackend<C, Ctx>>(std::move(weights), ctx);
}

template <class Ctx, LlmConfig... C>
Ready run_on(ConfigList<C...>, int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  Ctx ctx;
  if constexpr (std::is_constructible_v<Ctx, int>) ctx = Ctx(threads);
  using Boxer = std::unique_ptr<AnyLlm> (*)(std::unique_ptr<Weights>, const Ctx&);
  constexpr Boxer boxers[] = {&box<C, Ctx>...};
  const void* model = weights->model;
  return {boxers[index](std::move(weights), ctx), Ctx::name, ctx.threads(), std::make_shared<OpsOn<Ctx>>(ctx), index,
          model};
}

template <class Ctx>
Ready run_on(int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  return run_on<Ctx>(Configs{}, threads, index, std::move(weights));
}

}  // namespace molmo_tool
