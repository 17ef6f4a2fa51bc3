// SPDX-License-Identifier: Apache-2.0
// Session: one conversation with a model: its KV cache, its workspace and its logits, allocated once.
//
//   auto model = load<Llm<olmo2_1b>>(directory);
//   auto session = make_session(*model, cpu, {.context = 2048});
//   auto logits = session->prefill(ids);          the logits after the last id
//   logits = session->decode(next_id);            ... and after one more
//   auto nats = session->score(ids);              how unlikely a text is: -log p of every id but the first
// Any number of sessions may share a model; one session belongs to one thread at a time. After make_session() nothing
// is allocated. Every failure leaves the session as it was before the call, ready for the next. session_base.hpp has
// the calls.
#pragma once

#include <molmo/run/manifest.hpp>
#include <molmo/run/session_base.hpp>

#include <cstdint>
#include <stop_token>
#include <string>

namespace molmo::inline v0 {

struct SessionOptions {
  index_t context = 0;                 ///< positions of the KV cache; 0: the model's max_sequence_length, at most 4096
  index_t prefill_chunk = 512;         ///< ids per step of a prefill; the workspace grows with it
  KvFormat kv_format = KvFormat::f32;  ///< f16 and bf16 halve the cache and what a step reads of it, q8 quarters it
  index_t logit_rows = 1;  ///< ids whose logits one step of score() computes; the memory of logits grows with it
  MemoryResource* memory = nullptr;  ///< null: the heap
};

/// What a session will allocate, known before it is made.
struct MemoryPlan {
  std::size_t kv_cache = 0, workspace = 0, logits = 0;  ///< logits: and what sampling needs
  [[nodiscard]] constexpr std::size_t total() const { return kv_cache + workspace + logits; }
};

namespace detail {

[[nodiscard]] constexpr SessionOptions resolved(SessionOptions o, index_t max_sequence_length) {
  if (o.context == 0) o.context = max_sequence_length < 4096 ? max_sequence_length : 4096;
  if (o.prefill_chunk > o.context) o.prefill_chunk = o.context;
  if (o.logit_rows > o.prefill_chunk) o.logit_rows = o.prefill_chunk;
  return o;
}

/// Bytes of the logits, of the candidates of sampling, and of the ids in the cache; the options are resolved.
[[nodiscard]] constexpr std::size_t logits_bytes(index_t vocabulary, const SessionOptions& o) {
  const std::size_t n = static_cast<std::size_t>(vocabulary);
  return Arena::padded<float>(n * static_cast<std::size_t>(o.logit_rows)) + Arena::padded<Candidate>(n) +
         Arena::padded<std::int32_t>(static_cast<std::size_t>(o.context));
}

/// Of resolved options.
[[nodiscard]] inline status check(const SessionOptions& o) {
  if (o.context < 1) return fail(errc::invalid_argument, text("context is ", o.context, "; it must be at least 1"));
  if (o.context > index_t{1} << 32)
    return fail(errc::invalid_argument, text("context is ", o.context, ", more than the 4294967296 allowed"));
  if (o.prefill_chunk < 1)
    return fail(errc::invalid_argument, text("prefill_chunk is ", o.prefill_chunk, "; it must be at least 1"));
  if (o.logit_rows < 1)
    return fail(errc::invalid_argument, text("logit_rows is ", o.logit_rows, "; it must be at least 1"));
  return {};
}

/// An error that names the first parameter that points nowhere.
[[nodiscard]] inline status check_weights(const Manifest& manifest) {
  std::string unset;
  manifest.each([&unset](const std::string& name, const Parameter& p) {
    if (p.data == nullptr && unset.empty()) unset = name;
  });
  if (unset.empty()) return {};
  return fail(errc::invalid_argument, text("this model's weights were never set: ", unset,
                                           " points nowhere; load() a checkpoint, or set every parameter"));
}

/// The observer of a step: stops between layers when asked to.
struct StopBetweenLayers {
  const std::stop_token& stop;
  template <class Stream>
  bool operator()(index_t, const Stream&) const {
    return !stop.stop_requested();
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

/// The bytes that make_session<M> will allocate.
template <class M>
[[nodiscard]] constexpr MemoryPlan memory_plan(SessionOptions options = {}) {
  const SessionOptions o = detail::resolved(options, M::config.max_sequence_length);
  return {KvCache::bytes<M>(o.context, o.kv_format), M::workspace_bytes(o.prefill_chunk),
          detail::logits_bytes(M::logits_size, o)};
}

}  // inline namespace MOLMO_ISA

template <class M, class Ctx>
class Session : public SessionBase {
 public:
  using model_type = M;

  Session(Session&&) noexcept = default;
  Session& operator=(Session&&) noexcept = default;

 private:
  Session(const M& model, const Ctx& ctx) : model_(&model), ctx_(ctx) {}

  static bool take_step(SessionBase& base, const std::int32_t* ids, index_t n, index_t rows,
                        const std::stop_token& stop) {
    Session& s = static_cast<Session&>(base);
    return s.model_->forward(s.ctx_, ids, n, s.cache_.view(), s.p_.work, s.p_.logits, rows,
                             detail::StopBetweenLayers{stop});
  }

  const M* model_;
  Ctx ctx_;

  template <class Model, class C>
  friend result<Session<Model, C>> make_session(const Model&, const C&, const SessionOptions&);
};

/// A session with `model`, which must outlive it. errc::invalid_argument (an option, or a parameter of the model that
/// was never set), errc::out_of_memory.
template <class M, class Ctx>
[[nodiscard]] result<Session<M, Ctx>> make_session(const M& model MOLMO_LIFETIMEBOUND, const Ctx& ctx,
                                                   const SessionOptions& options = {}) {
  return without_bad_alloc("making a session", [&]() -> result<Session<M, Ctx>> {
    const SessionOptions o = detail::resolved(options, M::config.max_sequence_length);
    if (status s = detail::check(o); !s) return fail(s.error());
    // Only read: one manifest is for those who read it and those who write.
    if (status s = detail::check_weights(Manifest(const_cast<M&>(model))); !s) return fail(s.error());
    prepare(ctx);
    Session<M, Ctx> s(model, ctx);
    const MemoryPlan plan = memory_plan<M>(o);
    s.cache_ = KvCache::for_model<M>(o.context, o.memory, o.kv_format);
    s.arena_ = Arena(plan.workspace + plan.logits, o.memory);
    if (!s.cache_.ok() || !s.arena_.ok())
      return fail(errc::out_of_memory,
                  text("no memory for a session of ", o.context, " positions: ", plan.total(), " bytes"));
    s.p_.work = M::make_workspace(s.arena_, o.prefill_chunk);
    s.p_.logits = s.arena_.template take<float>(static_cast<std::size_t>(M::logits_size * o.logit_rows));
    s.p_.scratch = s.arena_.template take<Candidate>(static_cast<std::size_t>(M::logits_size));
    s.p_.ids = s.arena_.template take<std::int32_t>(static_cast<std::size_t>(o.context));
    s.p_.logit_rows = o.logit_rows;
    s.p_.vocabulary = M::logits_size;
    s.p_.known = M::config.embedding_rows() + M::config.additional_vocab_size;
    s.p_.step = &Session<M, Ctx>::take_step;
    return s;
  });
}
template <class M, class Ctx>
void make_session(const M&&, const Ctx&, const SessionOptions& = {}) = delete;  // the model would be gone

template <class M>
class Loaded;
/// The same for what load() returned.
template <class M, class Ctx>
[[nodiscard]] result<Session<M, Ctx>> make_session(const Loaded<M>& loaded MOLMO_LIFETIMEBOUND, const Ctx& ctx,
                                                   const SessionOptions& options = {}) {
  return make_session(loaded.model(), ctx, options);
}
template <class M, class Ctx>
void make_session(const Loaded<M>&&, const Ctx&, const SessionOptions& = {}) = delete;

}  // namespace molmo::inline v0
