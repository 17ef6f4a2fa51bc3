// SPDX-License-Identifier: Apache-2.0
// SessionBase: what a Session does that does not depend on its model's type: it checks, counts, takes steps and goes
// back when one fails. The model itself is one function, which Session sets (run/session.hpp).
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/progress.hpp>
#include <molmo/ops/sample/sample.hpp>
#include <molmo/run/kv_cache.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <stop_token>
#include <utility>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// -log softmax(logits)[target], in double precision.
[[nodiscard]] inline double surprise(const float* logits, index_t size, index_t target) {
  float largest = logits[0];
  for (index_t i = 1; i < size; ++i) largest = logits[i] > largest ? logits[i] : largest;
  double sum = 0;
  for (index_t i = 0; i < size; ++i) sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(largest));
  return std::log(sum) - (static_cast<double>(logits[target]) - static_cast<double>(largest));
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// The calls of a Session. One that was moved from refuses them all with errc::invalid_argument, as does one in the
/// middle of a call: a progress sink may not use the session that it watches.
class SessionBase {
 public:
  /// Appends ids and returns the logits after the last of them, [logits_size], valid until the next call. `stop` is
  /// looked at between layers; `progress` counts ids. errc::empty_prompt, errc::context_full, errc::invalid_argument
  /// (an id outside the vocabulary), errc::cancelled. What the sink throws passes through, and leaves the session as
  /// any failure does.
  [[nodiscard]] result<std::span<const float>> prefill(std::span<const std::int32_t> ids,
                                                       const std::stop_token& stop = {}, ProgressSink progress = {});
  /// Appends one id; as prefill, without the ceremony.
  [[nodiscard]] result<std::span<const float>> decode(std::int32_t id);
  /// Appends ids and returns the sum of -log p of those from the `first` on, p being the probability of an id after all
  /// that stands before it: natural logarithms, softmax in double precision. The last id is judged, but not appended,
  /// and logits() mean nothing until the next call. Errors as of prefill(), errc::invalid_argument (fewer than two ids,
  /// `first` not among them or 0, an id that has no logit), errc::invalid_logits.
  [[nodiscard]] result<double> score(std::span<const std::int32_t> ids, index_t first = 1,
                                     const std::stop_token& stop = {});
  /// Draws a token from the current logits; a repetition penalty is for the ids in the cache. `step` numbers the draws
  /// of a text. errc::empty_prompt where there are no logits yet (or since score()), errc::invalid_argument,
  /// errc::invalid_logits.
  [[nodiscard]] result<std::int32_t> sample(const SamplingOptions& options, std::uint64_t step);

  [[nodiscard]] std::span<const float> logits() const MOLMO_LIFETIMEBOUND {
    return {p_.logits, static_cast<std::size_t>(p_.vocabulary)};
  }
  /// Positions in the cache, and how many fit.
  [[nodiscard]] index_t length() const { return cache_.length(); }
  [[nodiscard]] index_t context() const { return cache_.capacity(); }
  [[nodiscard]] index_t vocabulary() const { return p_.vocabulary; }
  /// Forgets everything from position `length` on; 0 starts over.
  void rewind(index_t length = 0) { cache_.truncate(length < 0 ? 0 : length); }

 protected:
  /// One step of the model: n ids, of the last `rows` of which logits are wanted. False: stopped, with nothing
  /// appended.
  using Step = bool (*)(SessionBase&, const std::int32_t* ids, index_t n, index_t rows, const std::stop_token&);
  struct Parts {
    Step step = nullptr;  // null: moved from
    LlmWorkspace work;
    float* logits = nullptr;
    Candidate* scratch = nullptr;
    std::int32_t* ids = nullptr;                        // those in the cache
    index_t logit_rows = 1, vocabulary = 0, known = 0;  // ids that have logits; that have an embedding
    bool busy = false, has_logits = false;
  };

  SessionBase() = default;
  SessionBase(SessionBase&& other) noexcept { *this = std::move(other); }
  SessionBase& operator=(SessionBase&& other) noexcept {
    if (this == &other) return *this;
    cache_ = std::move(other.cache_);
    arena_ = std::move(other.arena_);
    p_ = std::exchange(other.p_, {});
    p_.busy = false;  // a call that is under way belongs to the object that it was made on, and fails
    return *this;
  }
  ~SessionBase() = default;

  KvCache cache_;
  Arena arena_;
  Parts p_;

 private:
  /// A call under way; ends with the session as it was, unless it is kept.
  class Call {
   public:
    explicit Call(SessionBase& s) : s_(s), before_(s.length()) { s_.p_.busy = true; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      s_.p_.busy = false;
      if (kept_) return;
      s_.cache_.truncate(before_);
      if (wrote_logits_) s_.p_.has_logits = false;
    }
    bool step(const std::int32_t* ids, index_t n, index_t rows, const std::stop_token& stop) {
      Parts& p = s_.p_;
      const index_t at = s_.length();
      wrote_logits_ = wrote_logits_ || rows > 0;
      if (!p.step(s_, ids, n, rows, stop)) return false;
      for (index_t i = 0; i < n; ++i) p.ids[at + i] = ids[i];
      done_ += n;
      return true;
    }
    /// False where somebody rewound or moved the session meanwhile.
    [[nodiscard]] bool undisturbed() const { return s_.p_.busy && s_.length() == before_ + done_; }
    void keep(bool has_logits) {
      s_.p_.has_logits = has_logits;
      kept_ = true;
    }

   private:
    SessionBase& s_;
    index_t before_, done_ = 0;
    bool kept_ = false, wrote_logits_ = false;
  };

  [[nodiscard]] status usable() const {
    if (p_.step == nullptr)
      return fail(errc::invalid_argument, "this session was moved from; use the one that it was moved to");
    if (p_.busy)
      return fail(errc::invalid_argument, "this session is in the middle of a call; a progress sink may not use it");
    return {};
  }
  [[nodiscard]] status accepts(std::span<const std::int32_t> ids) const {
    if (status s = usable(); !s) return s;
    if (ids.empty())
      return fail(errc::empty_prompt, "there are no tokens to continue; give at least one id (the BOS token, say)");
    if (static_cast<index_t>(ids.size()) > context() - length())
      return fail(errc::context_full,
                  text("the context is full: ", length(), " of ", context(), " positions are taken and ", ids.size(),
                       " more are asked for; rewind, or make a session with a larger context"));
    for (const std::int32_t id : ids)
      if (id < 0 || id >= p_.known)
        return fail(errc::invalid_argument,
                    text("token id ", id, " lies outside the model's vocabulary of ", p_.known));
    return {};
  }
  [[nodiscard]] result<double> score_ids(std::span<const std::int32_t> ids, index_t first, const std::stop_token& stop);
};

inline result<std::span<const float>> SessionBase::prefill(std::span<const std::int32_t> ids,
                                                           const std::stop_token& stop, ProgressSink progress) {
  return without_bad_alloc("reading a prompt", [&]() -> result<std::span<const float>> {
    if (status s = accepts(ids); !s) return fail(s.error());
    const index_t count = static_cast<index_t>(ids.size());
    Call call(*this);
    for (index_t done = 0; done < count;) {
      const index_t n = count - done < p_.work.tokens ? count - done : p_.work.tokens;
      const bool last = done + n == count;
      const bool ran = call.step(ids.data() + done, n, last ? 1 : 0, stop);
      done += n;
      if (!ran || (!progress.report({"prefill", static_cast<std::uint64_t>(done), ids.size()}) && !last))
        return fail(errc::cancelled, "the prefill was cancelled; the session is as it was before");
      if (!call.undisturbed())
        return fail(errc::invalid_argument, "the progress sink changed the session that it watches: it may not");
    }
    call.keep(true);
    return logits();
  });
}

inline result<std::span<const float>> SessionBase::decode(std::int32_t id) {
  return without_bad_alloc("decoding", [&]() -> result<std::span<const float>> {
    if (status s = accepts({&id, 1}); !s) return fail(s.error());
    Call call(*this);
    call.step(&id, 1, 1, {});
    call.keep(true);
    return logits();
  });
}

inline result<double> SessionBase::score(std::span<const std::int32_t> ids, index_t first,
                                         const std::stop_token& stop) {
  return without_bad_alloc("scoring a text", [&] { return score_ids(ids, first, stop); });
}

inline result<double> SessionBase::score_ids(std::span<const std::int32_t> ids, index_t first,
                                             const std::stop_token& stop) {
  if (status s = usable(); !s) return fail(s.error());
  const index_t count = static_cast<index_t>(ids.size()) - 1;  // of ids that have a successor
  if (first < 1 || first > count)
    return fail(errc::invalid_argument, text("score() of ", ids.size(), " ids from number ", first,
                                             " on: there must be one, and one before it"));
  for (index_t i = first; i <= count; ++i)
    if (ids[static_cast<std::size_t>(i)] >= vocabulary())
      return fail(errc::invalid_argument,
                  text("token id ", ids[static_cast<std::size_t>(i)], " has no logit; there are ", vocabulary()));
  if (ids.back() < 0) return fail(errc::invalid_argument, text("token id ", ids.back(), " is negative"));
  if (status s = accepts(ids.first(static_cast<std::size_t>(count))); !s) return fail(s.error());
  Call call(*this);
  double sum = 0;
  for (index_t done = 0; done < count;) {
    const index_t left = count - done, unscored = first - 1 - done;
    const index_t most = unscored > 0 ? (unscored < p_.work.tokens ? unscored : p_.work.tokens) : p_.logit_rows;
    const index_t n = left < most ? left : most, rows = unscored > 0 ? 0 : n;
    if (!call.step(ids.data() + done, n, rows, stop))
      return fail(errc::cancelled, "the scoring was cancelled; the session is as it was before");
    for (index_t r = 0; r < rows; ++r)
      sum += detail::surprise(p_.logits + r * vocabulary(), vocabulary(), ids[static_cast<std::size_t>(done + r + 1)]);
    done += n;
  }
  if (!std::isfinite(sum))
    return fail(errc::invalid_logits, "the model computed logits that are not numbers; are its weights damaged?");
  call.keep(false);
  return sum;
}

inline result<std::int32_t> SessionBase::sample(const SamplingOptions& options, std::uint64_t step) {
  return without_bad_alloc("drawing a token", [&]() -> result<std::int32_t> {
    if (status s = usable(); !s) return fail(s.error());
    if (!p_.has_logits) return fail(errc::empty_prompt, "there are no logits to draw from; prefill() a prompt first");
    return molmo::sample(p_.logits, vocabulary(), options, step, p_.scratch,
                         {p_.ids, static_cast<std::size_t>(length())});
  });
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
