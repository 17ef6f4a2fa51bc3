// SPDX-License-Identifier: Apache-2.0
// Session: one conversation with a model: its KV cache, its workspace and its logits, allocated once.
//
//   auto model = load<Llm<olmo2_1b>>(directory);
//   auto session = make_session(*model, cpu, {.context = 2048});
//   auto logits = session->prefill(ids);          the logits after the last id
//   logits = session->decode(next_id);            ... and after one more
//   auto nats = session->score(ids);              how unlikely a text is: -log p of every id but the first
// Any number of sessions may share a model; one session belongs to one thread at a time. After make_session() nothing is
// allocated. Every failure leaves the session as it was before the call, ready for the next.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/progress.hpp>
#include <molmo/models/llm.hpp>
#include <molmo/ops/sample/sample.hpp>
#include <molmo/run/kv_cache.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <stop_token>
#include <type_traits>

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
  std::size_t kv_cache = 0, workspace = 0, logits = 0;
  [[nodiscard]] constexpr std::size_t total() const { return kv_cache + workspace + logits; }
};

namespace detail {

[[nodiscard]] constexpr SessionOptions resolved(SessionOptions o, index_t max_sequence_length) {
  if (o.context == 0) o.context = max_sequence_length < 4096 ? max_sequence_length : 4096;
  if (o.prefill_chunk > o.context) o.prefill_chunk = o.context;
  if (o.logit_rows > o.prefill_chunk) o.logit_rows = o.prefill_chunk;
  return o;
}

/// -log softmax(logits)[target], in double precision.
[[nodiscard]] inline double surprise(const float* logits, index_t size, index_t target) {
  float largest = logits[0];
  for (index_t i = 1; i < size; ++i) largest = logits[i] > largest ? logits[i] : largest;
  double sum = 0;
  for (index_t i = 0; i < size; ++i) sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(largest));
  return std::log(sum) - (static_cast<double>(logits[target]) - static_cast<double>(largest));
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

/// The bytes that make_session<M> will allocate.
template <class M>
[[nodiscard]] constexpr MemoryPlan memory_plan(SessionOptions options = {}) {
  const SessionOptions o = detail::resolved(options, M::config.max_sequence_length);
  const std::size_t n = static_cast<std::size_t>(M::logits_size);
  return {KvCache::bytes<M>(o.context, o.kv_format), M::workspace_bytes(o.prefill_chunk),
          Arena::padded<float>(n * static_cast<std::size_t>(o.logit_rows)) + Arena::padded<Candidate>(n)};
}

template <class M, class Ctx>
class Session {
 public:
  using model_type = M;

  Session(Session&&) noexcept = default;
  Session& operator=(Session&&) noexcept = default;

  /// Appends ids and returns the logits after the last of them, [logits_size], valid until the next call. `stop` is looked
  /// at between layers; `progress` counts ids. errc::empty_prompt, errc::context_full, errc::invalid_argument (an id outside
  /// the vocabulary), errc::cancelled.
  [[nodiscard]] result<std::span<const float>> prefill(std::span<const std::int32_t> ids,
                                                       const std::stop_token& stop = {}, ProgressSink progress = {}) {
    if (ids.empty())
      return fail(errc::empty_prompt, "there are no tokens to continue; give at least one id (the BOS token, say)");
    if (status s = accepts(ids); !s) return fail(s.error());
    const index_t before = length();
    const index_t count = static_cast<index_t>(ids.size());
    for (index_t done = 0; done < count;) {
      const index_t n = count - done < work_.tokens ? count - done : work_.tokens;
      const bool last = done + n == count;
      const bool ran = model_->forward(ctx_, ids.data() + done, n, cache_.view(), work_, logits_, last ? 1 : 0,
                                       detail::StopBetweenLayers{stop});
      done += n;
      if (!ran || (!progress.report({"prefill", static_cast<std::uint64_t>(done), ids.size()}) && !last)) {
        cache_.truncate(before);
        return fail(errc::cancelled, "the prefill was cancelled; the session is as it was before");
      }
    }
    return logits();
  }
  /// Appends one id; as prefill, without the ceremony.
  [[nodiscard]] result<std::span<const float>> decode(std::int32_t id) {
    if (status s = accepts({&id, 1}); !s) return fail(s.error());
    model_->forward(ctx_, &id, 1, cache_.view(), work_, logits_, 1);
    return logits();
  }
  /// Appends ids and returns the sum of -log p of those from the `first` on, p being the probability of an id after all that
  /// stands before it: natural logarithms, softmax in double precision. The last id is judged, but not appended, and logits()
  /// mean nothing until the next call. Errors as of prefill(), errc::invalid_argument (fewer than two ids, `first` not among
  /// them or 0, an id that has no logit), errc::invalid_logits.
  [[nodiscard]] result<double> score(std::span<const std::int32_t> ids, index_t first = 1,
                                     const std::stop_token& stop = {}) {
    const index_t count = static_cast<index_t>(ids.size()) - 1;  // of ids that have a successor
    if (first < 1 || first > count)
      return fail(errc::invalid_argument, text("score() of ", ids.size(), " ids from number ", first,
                                               " on: there must be one, and one before it"));
    for (index_t i = first; i <= count; ++i)
      if (ids[static_cast<std::size_t>(i)] >= M::logits_size)
        return fail(errc::invalid_argument,
                    text("token id ", ids[static_cast<std::size_t>(i)], " has no logit; there are ", M::logits_size));
    if (ids.back() < 0) return fail(errc::invalid_argument, text("token id ", ids.back(), " is negative"));
    if (status s = accepts(ids.first(static_cast<std::size_t>(count))); !s) return fail(s.error());
    const index_t before = length();
    double sum = 0;
    for (index_t done = 0; done < count;) {
      const index_t left = count - done, unscored = first - 1 - done;
      const index_t most = unscored > 0 ? (unscored < work_.tokens ? unscored : work_.tokens) : logit_rows_;
      const index_t n = left < most ? left : most, rows = unscored > 0 ? 0 : n;
      if (!model_->forward(ctx_, ids.data() + done, n, cache_.view(), work_, logits_, rows,
                           detail::StopBetweenLayers{stop})) {
        cache_.truncate(before);
        return fail(errc::cancelled, "the scoring was cancelled; the session is as it was before");
      }
      for (index_t r = 0; r < rows; ++r)
        sum +=
            detail::surprise(logits_ + r * M::logits_size, M::logits_size, ids[static_cast<std::size_t>(done + r + 1)]);
      done += n;
    }
    if (std::isfinite(sum)) return sum;
    cache_.truncate(before);
    return fail(errc::invalid_logits, "the model computed logits that are not numbers; are its weights damaged?");
  }
  /// Draws a token from the current logits. `step` numbers the draws of a text.
  [[nodiscard]] result<std::int32_t> sample(const SamplingOptions& options, std::uint64_t step) {
    return molmo::sample(logits_, M::logits_size, options, step, scratch_);
  }

  [[nodiscard]] std::span<const float> logits() const MOLMO_LIFETIMEBOUND {
    return {logits_, static_cast<std::size_t>(M::logits_size)};
  }
  /// Positions in the cache, and how many fit.
  [[nodiscard]] index_t length() const { return cache_.length(); }
  [[nodiscard]] index_t context() const { return cache_.capacity(); }
  [[nodiscard]] index_t vocabulary() const { return M::logits_size; }
  /// Forgets everything from position `length` on; 0 starts over.
  void rewind(index_t length = 0) { cache_.truncate(length < 0 ? 0 : length); }

 private:
  Session(const M& model, const Ctx& ctx) : model_(&model), ctx_(ctx) {}

  [[nodiscard]] status accepts(std::span<const std::int32_t> ids) const {
    constexpr index_t known = M::config.embedding_rows() + M::config.additional_vocab_size;
    if (static_cast<index_t>(ids.size()) > context() - length())
      return fail(errc::context_full,
                  text("the context is full: ", length(), " of ", context(), " positions are taken and ", ids.size(),
                       " more are asked for; rewind, or make a session with a larger context"));
    for (const std::int32_t id : ids)
      if (id < 0 || id >= known)
        return fail(errc::invalid_argument, text("token id ", id, " lies outside the model's vocabulary of ", known));
    return {};
  }

  const M* model_;
  Ctx ctx_;
  KvCache cache_;
  Arena arena_;
  LlmWorkspace work_;
  float* logits_ = nullptr;
  index_t logit_rows_ = 1;
  Candidate* scratch_ = nullptr;

  template <class Model, class C>
  friend result<Session<Model, C>> make_session(const Model&, const C&, const SessionOptions&);
};

/// A session with `model`, which must outlive it. errc::invalid_argument, errc::out_of_memory.
template <class M, class Ctx>
[[nodiscard]] result<Session<M, Ctx>> make_session(const M& model MOLMO_LIFETIMEBOUND, const Ctx& ctx,
                                                   const SessionOptions& options = {}) {
  const SessionOptions o = detail::resolved(options, M::config.max_sequence_length);
  if (o.context < 1) return fail(errc::invalid_argument, text("context is ", o.context, "; it must be at least 1"));
  if (o.context > index_t{1} << 32)
    return fail(errc::invalid_argument, text("context is ", o.context, ", more than the 4294967296 allowed"));
  if (o.prefill_chunk < 1)
    return fail(errc::invalid_argument, text("prefill_chunk is ", o.prefill_chunk, "; it must be at least 1"));
  if (o.logit_rows < 1)
    return fail(errc::invalid_argument, text("logit_rows is ", o.logit_rows, "; it must be at least 1"));
  Session<M, Ctx> s(model, ctx);
  const MemoryPlan plan = memory_plan<M>(o);
  s.cache_ = KvCache::for_model<M>(o.context, o.memory, o.kv_format);
  s.arena_ = Arena(plan.workspace + plan.logits, o.memory);
  if (!s.cache_.ok() || !s.arena_.ok())
    return fail(errc::out_of_memory,
                text("no memory for a session of ", o.context, " positions: ", plan.total(), " bytes"));
  s.work_ = M::make_workspace(s.arena_, o.prefill_chunk);
  s.logits_ = s.arena_.template take<float>(static_cast<std::size_t>(M::logits_size * o.logit_rows));
  s.logit_rows_ = o.logit_rows;
  s.scratch_ = s.arena_.template take<Candidate>(static_cast<std::size_t>(M::logits_size));
  return s;
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
