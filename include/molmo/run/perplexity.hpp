// SPDX-License-Identifier: Apache-2.0
// perplexity(session, ids): how surprising a text is to a model, exp(mean of -log p(id | ids before it)).
//
// A text longer than the context is read in windows, each from an empty cache. The window that begins at s predicts the
// ids s ... s + context - 1 from as many positions: the begin token, or where there is none the id before s, and then
// the ids themselves but the last. The next window begins `stride` later; what an earlier window predicted is read, but
// not counted again. So every id counts once, all but the first of a text without a begin token; with stride = context
// each from 0 to context - 1 ids of text, with a smaller one from at least context - stride of them (but in the first
// window). Sums are in double precision; the result depends on nothing but model, ids and these three numbers.
#pragma once

#include <molmo/run/session.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace molmo::inline v0 {

struct PerplexityOptions {
  index_t context = 0;                        ///< positions of a window; 0: the session's
  index_t stride = 0;                         ///< from one window to the next; 0: as the context
  std::optional<std::int32_t> begin_token{};  ///< stands before every window
  ProgressSink progress{};                    ///< counts ids
  std::stop_token stop{};
};

struct Perplexity {
  double nats = 0;  ///< the sum of -log p
  index_t tokens = 0, windows = 0;

  [[nodiscard]] double per_token() const { return tokens > 0 ? nats / static_cast<double>(tokens) : 0; }
  [[nodiscard]] double value() const { return std::exp(per_token()); }
};

inline namespace MOLMO_ISA {

/// `session`: a Session or an AnySession; what it held is forgotten. More than one of its logit_rows makes this fast.
/// errc::empty_prompt (a text too short to predict anything), errc::invalid_argument, errc::cancelled, and those of
/// score().
template <class S>
[[nodiscard]] result<Perplexity> perplexity(S& session, std::span<const std::int32_t> ids,
                                            const PerplexityOptions& options = {}) {
  return without_bad_alloc("measuring perplexity", [&]() -> result<Perplexity> {
    const index_t context = options.context == 0 ? session.context() : options.context;
    const index_t stride = options.stride == 0 ? context : options.stride;
    const index_t count = static_cast<index_t>(ids.size());
    if (context < 1 || context > session.context())
      return fail(errc::invalid_argument,
                  text("a window of ", context, " positions; the session has ", session.context()));
    if (stride < 1 || stride > context)
      return fail(errc::invalid_argument,
                  text("stride is ", stride, "; it must be between 1 and the window's ", context));
    const index_t start = options.begin_token ? 0 : 1;
    if (count <= start)
      return fail(errc::empty_prompt, text("a text of ", count, " tokens is too short to predict anything in it"));

    Perplexity out;
    std::vector<std::int32_t> window;
    index_t done = start;
    for (index_t s = start; done < count; s += stride) {
      const index_t end = count - s < context ? count : s + context;
      window.clear();
      window.push_back(options.begin_token ? *options.begin_token : ids[static_cast<std::size_t>(s - 1)]);
      window.insert(window.end(), ids.begin() + s, ids.begin() + end);
      session.rewind();
      const result<double> nats = session.score(window, 1 + done - s, options.stop);
      if (!nats) return fail(nats.error());
      out.nats += *nats;
      out.tokens += end - done;
      ++out.windows;
      done = end;
      if (!options.progress.report({"perplexity", static_cast<std::uint64_t>(done), ids.size()}) && done < count)
        return fail(errc::cancelled, "the measurement was cancelled");
    }
    session.rewind();
    return out;
  });
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
