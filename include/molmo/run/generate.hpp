// SPDX-License-Identifier: Apache-2.0
// generate: text from a prompt, piece by piece.
//
//   generate(session, tokenizer, "To be", {.max_new = 64}, [](std::string_view piece) { print(piece); return true; });
// The sink gets whole UTF-8 characters and may return false to stop. Ends at an end-of-text token, after max_new
// tokens, when the context is full, or when the sink or the stop token says so. generate_ids is the same without a
// tokenizer; after the prompt is encoded neither allocates.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/generation_config.hpp>
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <molmo/run/session.hpp>

#include <chrono>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

namespace molmo::inline v0 {

struct GenerateOptions {
  index_t max_new = 128;
  double temperature = 0;  ///< 0: greedy
  index_t top_k = 0;       ///< 0: off
  double top_p = 1;        ///< 1: off
  std::uint64_t seed = 0;
  double min_p = 0;                            ///< 0: off
  double repetition_penalty = 1;               ///< 1: off; for the ids of the prompt and of the text, also when greedy
  std::span<const std::int64_t> end_tokens{};  ///< any of them ends the text and is not passed on
  bool add_special = true;                     ///< let the tokenizer put its BOS before the prompt
  std::stop_token stop{};
  ProgressSink progress{};  ///< told about the prefill, in ids

  [[nodiscard]] SamplingOptions sampling() const {
    return {temperature, top_k, top_p, seed, min_p, repetition_penalty};
  }
  /// How the checkpoint wants to be sampled, and its end tokens, which stay in `config`. What nothing here does stands
  /// in config.ignored.
  [[nodiscard]] static GenerateOptions of(const GenerationConfig& config MOLMO_LIFETIMEBOUND) {
    GenerateOptions o;
    o.end_tokens = config.eos_token_ids;
    o.repetition_penalty = config.repetition_penalty.value_or(1);
    if (!config.do_sample.value_or(false)) return o;  // greedy
    o.temperature = config.temperature.value_or(1);
    o.top_k = static_cast<index_t>(config.top_k.value_or(50));  // Hugging Face's default
    o.top_p = config.top_p.value_or(1);
    o.min_p = config.min_p.value_or(0);
    return o;
  }
  static GenerateOptions of(const GenerationConfig&&) = delete;
};

enum class StopReason : std::uint8_t { max_new, end_token, context_full, sink, stop_token };

/// What happened, and how long it took.
struct Generated {
  index_t prompt_tokens = 0, new_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0;  ///< decode: all tokens after the first
  StopReason reason = StopReason::max_new;
  /// The newest token: chosen and passed on, but not yet in the session, which ends before it; -1 where there is none.
  /// To go on later, give it to prefill() or generate_ids() before what follows.
  std::int32_t pending = -1;

  [[nodiscard]] double prefill_rate() const {
    return prefill_seconds > 0 ? static_cast<double>(prompt_tokens) / prefill_seconds : 0;
  }
  /// Tokens per second after the first.
  [[nodiscard]] double decode_rate() const {
    return decode_seconds > 0 ? static_cast<double>(new_tokens - 1) / decode_seconds : 0;
  }
};

namespace detail::inline MOLMO_ISA {

/// `vocabulary`: the ids that a model may say.
[[nodiscard]] inline status check(const GenerateOptions& o, index_t vocabulary) {
  if (status s = molmo::check(o.sampling()); !s) return s;
  if (o.max_new < 0) return fail(errc::invalid_argument, text("max_new is ", o.max_new, "; it must not be negative"));
  for (const std::int64_t id : o.end_tokens)
    if (id < 0 || id >= vocabulary)
      return fail(errc::invalid_argument, text("end token ", id, " lies outside the model's vocabulary of ", vocabulary,
                                               "; correct eos_token_id, or give end_tokens of your own"));
  return {};
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Continues `prompt`; sink(id) gets every new id and returns whether to go on. `S` is a Session or an AnySession.
template <class S, class Sink>
[[nodiscard]] result<Generated> generate_ids(S& session, std::span<const std::int32_t> prompt,
                                             const GenerateOptions& options, Sink&& sink) {
  return without_bad_alloc("generating text", [&]() -> result<Generated> {
    using Clock = std::chrono::steady_clock;
    const auto since = [](Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); };
    if (status s = detail::check(options, session.vocabulary()); !s) return fail(s.error());
    Generated g;
    g.prompt_tokens = static_cast<index_t>(prompt.size());
    Clock::time_point start = Clock::now();
    if (const auto first = session.prefill(prompt, options.stop, options.progress); !first) return fail(first.error());
    g.prefill_seconds = since(start);
    start = Clock::now();
    while (g.new_tokens < options.max_new) {
      const result<std::int32_t> id = session.sample(options.sampling(), static_cast<std::uint64_t>(g.new_tokens));
      if (!id) return fail(id.error());
      bool ends = false;
      for (const std::int64_t e : options.end_tokens) ends = ends || e == *id;
      if (ends) {
        g.reason = StopReason::end_token;
        break;
      }
      ++g.new_tokens;
      g.pending = *id;
      if (!sink(*id)) {
        g.reason = StopReason::sink;
        break;
      }
      if (g.new_tokens == options.max_new) break;
      if (options.stop.stop_requested()) {
        g.reason = StopReason::stop_token;
        break;
      }
      if (session.length() == session.context()) {
        g.reason = StopReason::context_full;
        break;
      }
      if (const auto next = session.decode(*id); !next) return fail(next.error());
      g.pending = -1;
      g.decode_seconds = since(start);
    }
    return g;
  });
}

/// Continues the text `prompt`; sink(piece) gets the new text and returns whether to go on (or nothing: always).
template <class S, class Sink>
[[nodiscard]] result<Generated> generate(S& session, const Tokenizer& tokenizer, std::string_view prompt,
                                         const GenerateOptions& options, Sink&& sink) {
  return without_bad_alloc("generating text", [&]() -> result<Generated> {
    const result<std::vector<std::int32_t>> ids = tokenizer.encode(prompt, {.add_special = options.add_special});
    if (!ids) return fail(ids.error());
    const auto pass_on = [&](std::string_view piece) {
      if (piece.empty()) return true;
      if constexpr (std::is_void_v<decltype(sink(piece))>) {
        sink(piece);
        return true;
      } else {
        return static_cast<bool>(sink(piece));
      }
    };
    StreamDecoder decoder(tokenizer);
    // The decoder sees the prompt first, so that the text goes on where the prompt ended (no stripped leading space).
    for (const std::int32_t id : *ids) static_cast<void>(decoder.push(id));
    const auto done = generate_ids(session, *ids, options, [&](std::int32_t id) { return pass_on(decoder.push(id)); });
    if (done && done->reason != StopReason::sink) pass_on(decoder.finish());
    return done;
  });
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
