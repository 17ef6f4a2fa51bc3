// SPDX-License-Identifier: Apache-2.0
// Session::score and perplexity: against the logits of prefill() and decode(), one id after another; every way to cut a
// text into windows; and what is refused.
#if MOLMO_HAS_IO
#include <molmo/run/any_llm.hpp>
#include <molmo/run/perplexity.hpp>

#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/golden_configs.hpp"

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

using Model = Llm<llama_default>;

const Model& model() {
  static const auto loaded = [] {
    auto l = load<Model>(golden_folder("llama_default"));
    if (!l) FAIL(l.error().message);
    return std::move(*l);
  }();
  return *loaded;
}
Session<Model, Reference> session_of(const SessionOptions& options) {
  auto s = make_session(model(), Reference{}, options);
  if (!s) FAIL(s.error().message);
  return std::move(*s);
}
const std::vector<std::int32_t> ids{1, 17, 60, 3, 42, 5, 5, 33, 0, 12, 59, 2, 2, 18, 41, 7, 30, 11, 24};

// -log p of the last id after the others, straight from the definition.
double definition(const std::vector<std::int32_t>& text) {
  auto s = session_of({.context = 64});
  const auto logits = s.prefill(std::span(text).first(text.size() - 1));
  REQUIRE(logits);
  double sum = 0;
  for (const float x : *logits) sum += std::exp(static_cast<double>(x));
  return -std::log(std::exp(static_cast<double>((*logits)[static_cast<std::size_t>(text.back())])) / sum);
}
std::vector<std::int32_t> part(std::size_t first, std::size_t end) {
  return {ids.begin() + static_cast<std::ptrdiff_t>(first), ids.begin() + static_cast<std::ptrdiff_t>(end)};
}

bool near(double a, double b) { return std::fabs(a - b) <= 1e-5 * (1 + std::fabs(b)); }

}  // namespace

TEST_CASE("score: the sum of -log p, whatever the sizes of its steps") {
  for (const index_t rows : {1, 2, 5, 64})
    for (const index_t chunk : {1, 3, 512})
      for (const std::size_t first :
           {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{17}, std::size_t{18}}) {
        auto s = session_of({.context = 20, .prefill_chunk = chunk, .logit_rows = rows});
        const auto nats = s.score(ids, static_cast<index_t>(first));
        REQUIRE(nats);
        double want = 0;
        for (std::size_t i = first; i < ids.size(); ++i) want += definition(part(0, i + 1));
        CAPTURE(rows, chunk, first, *nats, want);
        CHECK(near(*nats, want));
        CHECK(s.length() == static_cast<index_t>(ids.size()) - 1);
        // The session goes on from there.
        s.rewind(4);
        CHECK(s.decode(42));
      }
}

TEST_CASE("score: after what the session holds already") {
  auto s = session_of({.context = 20});
  REQUIRE(s.prefill(part(0, 6)));
  const auto rest = s.score(part(6, ids.size()), 1);
  REQUIRE(rest);
  auto whole = session_of({.context = 20});
  const auto want = whole.score(ids, 7);
  REQUIRE(want);
  CHECK(near(*rest, *want));
}

TEST_CASE("score: refused, and the session is as before") {
  auto s = session_of({.context = 10});
  REQUIRE(s.prefill(part(0, 3)));
  const auto refused = [&](std::vector<std::int32_t> text, index_t first, errc code) {
    const auto nats = s.score(text, first);
    REQUIRE(!nats);
    CHECK(nats.error().code == code);
    CHECK(s.length() == 3);
  };
  refused({}, 1, errc::invalid_argument);
  refused({1}, 1, errc::invalid_argument);
  refused({1, 2}, 0, errc::invalid_argument);
  refused({1, 2}, 2, errc::invalid_argument);
  refused({1, 61}, 1, errc::invalid_argument);
  refused({1, -1}, 1, errc::invalid_argument);
  refused({61, 1}, 1, errc::invalid_argument);
  refused(part(0, 9), 1, errc::context_full);  // eight of them go into seven positions
  CHECK(s.score(part(0, 8)));
  s.rewind(3);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = s.score(part(0, 8), 1, stop.get_token());
  REQUIRE(!stopped);
  CHECK(stopped.error().code == errc::cancelled);
  CHECK(s.length() == 3);
  CHECK(!make_session(model(), Reference{}, {.logit_rows = 0}));
}

TEST_CASE("score: numbers that are none are reported") {
  Model broken = model();
  std::vector<float> weights(48, NAN);
  broken.final_norm.weight = decltype(broken.final_norm.weight)(weights.data());
  auto s = make_session(broken, Reference{}, {.context = 10});
  REQUIRE(s);
  const auto nats = s->score(part(0, 5));
  REQUIRE(!nats);
  CHECK(nats.error().code == errc::invalid_logits);
}

TEST_CASE("perplexity: windows, straight from the definition") {
  const auto count = static_cast<index_t>(ids.size());
  for (const index_t context : {1, 2, 5, 9, 18, 19, 30})
    for (const index_t stride : {index_t{1}, index_t{2}, context - 1, context})
      for (const bool begin : {true, false}) {
        if (stride < 1 || stride > context) continue;
        CAPTURE(context, stride, begin);
        auto s = session_of({.context = 30, .logit_rows = 4});
        PerplexityOptions options{.context = context, .stride = stride};
        if (begin) options.begin_token = 7;
        const auto got = perplexity(s, ids, options);
        REQUIRE(got);
        double want = 0;
        index_t windows = 0, tokens = 0;
        std::vector<bool> counted(ids.size());
        const index_t start = begin ? 0 : 1;
        for (index_t first = start; tokens < count - start; first += stride, ++windows)
          for (index_t i = first; i < first + context && i < count; ++i) {
            if (counted[static_cast<std::size_t>(i)]) continue;
            counted[static_cast<std::size_t>(i)] = true;
            ++tokens;
            std::vector<std::int32_t> text =
                part(static_cast<std::size_t>(begin ? first : first - 1), static_cast<std::size_t>(i + 1));
            if (begin) text.insert(text.begin(), 7);
            want += definition(text);
          }
        CHECK(got->tokens == count - start);
        CHECK(got->tokens == tokens);
        CHECK(got->windows == windows);
        CHECK(near(got->nats, want));
        CHECK(near(got->value(), std::exp(want / static_cast<double>(tokens))));
        CHECK(s.length() == 0);
      }
}

TEST_CASE("perplexity: of any session, with progress, cancelled, refused") {
  const auto any = load_any<llama_default>(Reference{}, golden_folder("llama_default"));
  REQUIRE(any);
  auto s = (*any)->start({.context = 8, .logit_rows = 3});
  REQUIRE(s);
  std::uint64_t last = 0;
  auto watch = [&](const Progress& p) {
    CHECK(p.done > last);
    CHECK(p.total == ids.size());
    last = p.done;
    return true;
  };
  const auto got = perplexity(**s, ids, {.progress = watch});
  REQUIRE(got);
  CHECK(last == ids.size());
  CHECK(got->windows == 3);
  auto plain = session_of({.context = 8});
  const auto same = perplexity(plain, ids);
  REQUIRE(same);
  CHECK(near(got->nats, same->nats));

  auto no = [](const Progress&) { return false; };
  const auto cancelled = perplexity(**s, ids, {.progress = no});
  REQUIRE(!cancelled);
  CHECK(cancelled.error().code == errc::cancelled);
  const auto refused = [&](std::span<const std::int32_t> text, const PerplexityOptions& o, errc code) {
    const auto p = perplexity(**s, text, o);
    REQUIRE(!p);
    CHECK(p.error().code == code);
  };
  refused({}, {}, errc::empty_prompt);
  refused(std::span(ids).first(1), {}, errc::empty_prompt);
  refused({}, {.begin_token = 1}, errc::empty_prompt);
  CHECK(perplexity(**s, std::span(ids).first(1), {.begin_token = 1}));
  refused(ids, {.context = 9}, errc::invalid_argument);
  refused(ids, {.context = 4, .stride = 5}, errc::invalid_argument);
  refused(ids, {.stride = -1}, errc::invalid_argument);
}
#endif
