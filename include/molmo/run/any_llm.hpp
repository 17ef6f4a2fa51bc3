// SPDX-License-Identifier: Apache-2.0
// AnyLlm: a model whose type was picked at run time, by the checkpoint's config.json, among the types compiled in.
//
//   auto model = load_any<olmo2_1b, qwen2_5_0_5b, my_config>(cpu, directory);
//   auto session = (*model)->start({.context = 2048});      then as with a Session: prefill, decode, sample
// Two virtual calls per token. A checkpoint whose shape is not compiled in is refused with the nearest config and the
// line to add.
#pragma once

#include <molmo/run/session.hpp>
#include <molmo/run/weights.hpp>

#include <memory>
#include <span>
#include <string>

namespace molmo::inline v0 {

/// A Session behind a virtual interface.
class AnySession {
 public:
  virtual ~AnySession() = default;
  /// As those of Session.
  [[nodiscard]] virtual result<std::span<const float>> prefill(std::span<const std::int32_t> ids,
                                                               const std::stop_token& stop = {},
                                                               ProgressSink progress = {}) = 0;
  [[nodiscard]] virtual result<std::span<const float>> decode(std::int32_t id) = 0;
  [[nodiscard]] virtual result<double> score(std::span<const std::int32_t> ids, index_t first = 1,
                                             const std::stop_token& stop = {}) = 0;
  [[nodiscard]] virtual result<std::int32_t> sample(const SamplingOptions& options, std::uint64_t step) = 0;
  [[nodiscard]] virtual std::span<const float> logits() const = 0;
  [[nodiscard]] virtual index_t length() const = 0;
  [[nodiscard]] virtual index_t context() const = 0;
  [[nodiscard]] virtual index_t vocabulary() const = 0;
  virtual void rewind(index_t length = 0) = 0;
};

/// What there is to know about a model without its type.
struct ModelFacts {
  LlmConfig config;
  index_t parameters = 0;
  index_t kv_bytes_per_token = 0;
  double flops_per_token = 0;  ///< without attention to the context
  std::uint64_t weight_bytes = 0;
};

/// A loaded model behind a virtual interface.
class AnyLlm {
 public:
  virtual ~AnyLlm() = default;
  [[nodiscard]] virtual const ModelFacts& facts() const = 0;
  [[nodiscard]] virtual MemoryPlan plan(const SessionOptions& options = {}) const = 0;
  /// A session, which keeps the loaded weights alive.
  [[nodiscard]] virtual result<std::unique_ptr<AnySession>> start(const SessionOptions& options = {}) const = 0;
};

namespace detail {

template <class M, class Ctx>
class SessionBox final : public AnySession {
 public:
  SessionBox(std::shared_ptr<const void> weights, Session<M, Ctx> s)
      : weights_(std::move(weights)), s_(std::move(s)) {}
  result<std::span<const float>> prefill(std::span<const std::int32_t> ids, const std::stop_token& stop,
                                         ProgressSink progress) override {
    return s_.prefill(ids, stop, progress);
  }
  result<std::span<const float>> decode(std::int32_t id) override { return s_.decode(id); }
  result<double> score(std::span<const std::int32_t> ids, index_t first, const std::stop_token& stop) override {
    return s_.score(ids, first, stop);
  }
  result<std::int32_t> sample(const SamplingOptions& o, std::uint64_t step) override { return s_.sample(o, step); }
  std::span<const float> logits() const override { return s_.logits(); }
  index_t length() const override { return s_.length(); }
  index_t context() const override { return s_.context(); }
  index_t vocabulary() const override { return s_.vocabulary(); }
  void rewind(index_t length) override { s_.rewind(length); }

 private:
  std::shared_ptr<const void> weights_;  // whatever owns them; before the session, which borrows from it
  Session<M, Ctx> s_;
};

template <class M, class Ctx>
class LlmBox final : public AnyLlm {
 public:
  LlmBox(Loaded<M> loaded, const Ctx& ctx)
      : loaded_(std::make_shared<const Loaded<M>>(std::move(loaded))),
        ctx_(ctx),
        facts_{M::config, M::parameters(), M::kv_bytes_per_token(), M::flops_per_token(),
               loaded_->checkpoint().bytes()} {}
  const ModelFacts& facts() const override { return facts_; }
  MemoryPlan plan(const SessionOptions& options) const override { return memory_plan<M>(options); }
  result<std::unique_ptr<AnySession>> start(const SessionOptions& options) const override {
    return without_bad_alloc("making a session", [&]() -> result<std::unique_ptr<AnySession>> {
      result<Session<M, Ctx>> s = make_session(loaded_->model(), ctx_, options);
      if (!s) return fail(s.error());
      return std::unique_ptr<AnySession>(std::make_unique<SessionBox<M, Ctx>>(loaded_, std::move(*s)));
    });
  }

 private:
  std::shared_ptr<const Loaded<M>> loaded_;
  Ctx ctx_;
  ModelFacts facts_;
};

template <LlmConfig C, class Ctx>
result<std::unique_ptr<AnyLlm>> load_boxed(const Ctx& ctx, const std::string& directory, const LoadOptions& options) {
  result<Loaded<Llm<C>>> model = load<Llm<C>>(directory, options);
  if (!model) return fail(model.error());
  return std::unique_ptr<AnyLlm>(std::make_unique<LlmBox<Llm<C>, Ctx>>(std::move(*model), ctx));
}

}  // namespace detail

/// The config of a checkpoint folder, whether or not it is compiled in.
[[nodiscard]] inline result<LlmConfig> read_model_config(const std::string& directory) {
  result<zoo::ModelConfig> file = zoo::load_config(directory);
  if (!file) return fail(file.error());
  return file->config;
}

/// Loads the checkpoint into whichever of the configs fits it, to run on ctx. errc::unsupported where none does: the
/// message names the nearest, what differs, and the line that adds the missing one.
template <LlmConfig... C, class Ctx>
[[nodiscard]] result<std::unique_ptr<AnyLlm>> load_any(const Ctx& ctx, const std::string& directory,
                                                       const LoadOptions& options = {}) {
  static_assert(sizeof...(C) > 0, "molmo: load_any<config...> needs at least one config to choose from");
  return without_bad_alloc("loading a model", [&]() -> result<std::unique_ptr<AnyLlm>> {
    const result<zoo::ModelConfig> file = zoo::load_config(directory, options.family);
    if (!file) return fail(file.error());
    using Loader = result<std::unique_ptr<AnyLlm>> (*)(const Ctx&, const std::string&, const LoadOptions&);
    constexpr LlmConfig configs[] = {C...};
    constexpr Loader loaders[] = {&detail::load_boxed<C, Ctx>...};
    for (std::size_t i = 0; i < sizeof...(C); ++i)
      if (differences(configs[i], file->config).empty()) return loaders[i](ctx, directory, options);
    const LlmConfig nearest = configs[nearest_config(file->config, configs)];
    std::string report;
    for (const std::string& line : differences(nearest, file->config)) report += text("\n  ", line);
    return fail(
        errc::unsupported,
        text("the model in ", in_quotes(directory, 400),
             " has a shape that is not compiled in; the nearest differs in:", report,
             "\nTo compile it in, add this config to the list of load_any:\n  ", config_text(file->config)));
  });
}

}  // namespace molmo::inline v0
