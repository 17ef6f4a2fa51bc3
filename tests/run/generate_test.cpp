// SPDX-License-Identifier: Apache-2.0
// generate: why it ends, what it passes on, what it leaves in the session. Most of it with a session that plays a
// script, so that the tests decide what the model "says".
#if MOLMO_HAS_IO
#include <molmo/run/generate.hpp>

#include "io/tokenizer/support.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

using namespace molmo;

namespace {

using Ids = std::vector<std::int32_t>;

// Says `script`, token by token, and notes what it is told.
struct Scripted {
  Ids script;
  index_t room = 100;
  Ids stored{};
  std::vector<std::uint64_t> steps{};
  SamplingOptions asked{};
  errc fail_decode_with = errc::cancelled;
  std::size_t fail_decode_at = std::numeric_limits<std::size_t>::max();
  std::size_t decoded = 0;

  result<std::span<const float>> prefill(std::span<const std::int32_t> ids, const std::stop_token& stop, ProgressSink progress) {
    if (ids.empty()) return fail(errc::empty_prompt, "nothing");
    if (static_cast<index_t>(ids.size()) > context() - length()) return fail(errc::context_full, "full");
    if (stop.stop_requested() || !progress.report({"prefill", 1, ids.size()})) return fail(errc::cancelled, "stopped");
    stored.insert(stored.end(), ids.begin(), ids.end());
    return std::span<const float>{};
  }
  result<std::span<const float>> decode(std::int32_t id) {
    if (decoded++ == fail_decode_at) return fail(fail_decode_with, "as the script says");
    REQUIRE(length() < context());
    stored.push_back(id);
    return std::span<const float>{};
  }
  result<std::int32_t> sample(const SamplingOptions& o, std::uint64_t step) {
    asked = o;
    steps.push_back(step);
    return script.at(static_cast<std::size_t>(step));
  }
  [[nodiscard]] index_t length() const { return static_cast<index_t>(stored.size()); }
  [[nodiscard]] index_t context() const { return room; }
  [[nodiscard]] index_t vocabulary() const { return 256; }
};

struct Outcome {
  Generated g;
  Ids passed;
};

Outcome run(Scripted& s, const GenerateOptions& o, std::size_t sink_stops_after = 1000) {
  Outcome out;
  const auto r = generate_ids(s, Ids{50, 51}, o, [&](std::int32_t id) {
    out.passed.push_back(id);
    return out.passed.size() < sink_stops_after;
  });
  if (!r) FAIL(r.error().message);
  out.g = *r;
  CHECK(out.g.prompt_tokens == 2);
  CHECK(out.g.new_tokens == static_cast<index_t>(out.passed.size()));
  // What is stored and what is pending together are the prompt and everything that was passed on.
  Ids all = s.stored, want{50, 51};
  if (out.g.pending >= 0) all.push_back(out.g.pending);
  want.insert(want.end(), out.passed.begin(), out.passed.end());
  CHECK(all == want);
  return out;
}

std::vector<std::string> pieces_of(Scripted& s, const Tokenizer& t, std::string_view prompt, GenerateOptions o = {}) {
  std::vector<std::string> pieces;
  o.max_new = static_cast<index_t>(s.script.size());
  const auto r = generate(s, t, prompt, o, [&](std::string_view piece) { pieces.emplace_back(piece); });
  if (!r) FAIL(r.error().message);
  return pieces;
}

Tokenizer bytes_tokenizer() {
  auto t = tokenizer_test::byte_level().load();
  if (!t) FAIL(t.error().message);
  return std::move(*t);
}

Ids bytes_of(std::string_view s) {
  Ids ids;
  for (const char c : s) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string out;
  for (const auto& p : pieces) out += p;
  return out;
}

}  // namespace

TEST_CASE("generate: ends after max_new tokens; the last is passed on, not stored") {
  for (const index_t n : {1, 2, 5}) {
    Scripted s{.script = {10, 11, 12, 13, 14, 15}};
    const Outcome out = run(s, {.max_new = n});
    CHECK(out.g.reason == StopReason::max_new);
    CHECK(out.g.new_tokens == n);
    CHECK(out.g.pending == 10 + static_cast<std::int32_t>(n) - 1);
    CHECK(s.steps.size() == static_cast<std::size_t>(n));  // nothing is drawn that nobody asked for
  }
}

TEST_CASE("generate: max_new 0 is a prefill") {
  Scripted s{.script = {}};
  const Outcome out = run(s, {.max_new = 0});
  CHECK(out.g.reason == StopReason::max_new);
  CHECK(out.passed.empty());
  CHECK(out.g.pending == -1);
  CHECK(s.steps.empty());
}

TEST_CASE("generate: any end token ends the text and is not passed on") {
  const std::vector<std::int64_t> ends{7, 255, 9};
  for (const std::int32_t end : {7, 9}) {
    Scripted s{.script = {10, 11, end, 12}};
    const Outcome out = run(s, {.end_tokens = ends});
    CHECK(out.g.reason == StopReason::end_token);
    CHECK(out.passed == Ids{10, 11});
    CHECK(out.g.pending == -1);
  }
  Scripted at_once{.script = {9}};
  CHECK(run(at_once, {.end_tokens = ends}).passed.empty());
  Scripted without{.script = {7, 9, 7}};
  CHECK(run(without, {.max_new = 3}).g.reason == StopReason::max_new);  // no end tokens given, none known
}

TEST_CASE("generate: the sink stops") {
  Scripted s{.script = {10, 11, 12, 13}};
  const Outcome out = run(s, {.max_new = 4}, 2);
  CHECK(out.g.reason == StopReason::sink);
  CHECK(out.passed == Ids{10, 11});
  CHECK(out.g.pending == 11);
}

TEST_CASE("generate: the context fills") {
  for (const index_t room : {2, 3, 5}) {
    Scripted s{.script = {10, 11, 12, 13, 14, 15}, .room = room};
    const Outcome out = run(s, {.max_new = 6});
    CHECK(out.g.reason == StopReason::context_full);
    CHECK(out.g.new_tokens == room - 2 + 1);  // one more than is stored
    CHECK(s.length() == room);
  }
  Scripted exact{.script = {10, 11}, .room = 3};  // max_new is reached at the same moment: that is the reason
  CHECK(run(exact, {.max_new = 2}).g.reason == StopReason::max_new);
  Scripted small{.script = {10}, .room = 1};
  const auto r = generate_ids(small, Ids{1, 2}, {}, [](std::int32_t) { return true; });
  REQUIRE(!r);
  CHECK(r.error().code == errc::context_full);
}

TEST_CASE("generate: the stop token, between tokens and in the prefill") {
  std::stop_source source;
  Scripted s{.script = {10, 11, 12, 13}};
  Ids passed;
  const auto r = generate_ids(s, Ids{1}, {.stop = source.get_token()}, [&](std::int32_t id) {
    passed.push_back(id);
    if (passed.size() == 2) source.request_stop();
    return true;
  });
  REQUIRE(r);
  CHECK(r->reason == StopReason::stop_token);
  CHECK(passed == Ids{10, 11});
  CHECK(r->pending == 11);
  Scripted again{.script = {10}};
  const auto cancelled = generate_ids(again, Ids{1}, {.stop = source.get_token()}, [](std::int32_t) { return true; });
  REQUIRE(!cancelled);
  CHECK(cancelled.error().code == errc::cancelled);
  auto no = [](const Progress&) { return false; };
  const auto by_progress = generate_ids(again, Ids{1}, {.progress = no}, [](std::int32_t) { return true; });
  REQUIRE(!by_progress);
  CHECK(by_progress.error().code == errc::cancelled);
  CHECK(again.stored.empty());
}

TEST_CASE("generate: wrong options and a session's errors are handed on; nothing is run with wrong options") {
  const auto refused = [](const GenerateOptions& o, std::string_view name) {
    Scripted s{.script = {10}};
    const auto r = generate_ids(s, Ids{1}, o, [](std::int32_t) { return true; });
    REQUIRE(!r);
    CHECK(r.error().code == errc::invalid_argument);
    CHECK(r.error().message.find(name) == 0);
    CHECK(s.stored.empty());
  };
  refused({.max_new = -1}, "max_new");
  refused({.temperature = -0.5}, "temperature");
  refused({.temperature = 1, .top_k = -1}, "top_k");
  refused({.temperature = 1, .top_p = 1.5}, "top_p");
  refused({.min_p = 1.5}, "min_p");
  refused({.repetition_penalty = 0}, "repetition_penalty");
  // The model cannot say these: a text would go on for ever.
  for (const std::int64_t id : {std::int64_t{256}, std::int64_t{-1}, std::int64_t{2147483647}, std::int64_t{1} << 40}) {
    const std::vector<std::int64_t> ends{7, id};
    refused({.end_tokens = ends}, text("end token ", id, " lies outside the model's vocabulary of 256"));
  }
  Scripted s{.script = {10, 11, 12}, .fail_decode_with = errc::out_of_memory, .fail_decode_at = 1};
  const auto r = generate_ids(s, Ids{1}, {}, [](std::int32_t) { return true; });
  REQUIRE(!r);
  CHECK(r.error().code == errc::out_of_memory);
  Scripted empty{.script = {10}};
  const auto nothing = generate_ids(empty, Ids{}, {}, [](std::int32_t) { return true; });
  REQUIRE(!nothing);
  CHECK(nothing.error().code == errc::empty_prompt);
}

TEST_CASE("generate: sampling options reach the session, the draws are numbered from 0") {
  Scripted s{.script = {10, 11, 12}};
  run(s, {.max_new = 3, .temperature = 0.5, .top_k = 9, .top_p = 0.25, .seed = 77, .min_p = 0.1, .repetition_penalty = 1.5});
  CHECK((s.asked.temperature == 0.5 && s.asked.top_k == 9 && s.asked.top_p == 0.25 && s.asked.seed == 77));
  CHECK((s.asked.min_p == 0.1 && s.asked.repetition_penalty == 1.5));
  CHECK(s.steps == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("generate: what a checkpoint asks for") {
  GenerationConfig c;
  c.eos_token_ids = {3, 4};
  c.temperature = 0.7;
  c.top_p = 0.9;
  const GenerateOptions greedy = GenerateOptions::of(c);
  CHECK((greedy.temperature == 0 && greedy.end_tokens.size() == 2 && greedy.end_tokens[1] == 4));
  c.do_sample = true;
  const GenerateOptions sampled = GenerateOptions::of(c);
  CHECK((sampled.temperature == 0.7 && sampled.top_p == 0.9 && sampled.top_k == 50));
  CHECK((sampled.min_p == 0 && sampled.repetition_penalty == 1));
  c.min_p = 0.05;
  c.repetition_penalty = 1.2;
  CHECK((GenerateOptions::of(c).min_p == 0.05 && GenerateOptions::of(c).repetition_penalty == 1.2));
  c.do_sample = false;  // the penalty is for greedy texts too
  CHECK((GenerateOptions::of(c).min_p == 0 && GenerateOptions::of(c).repetition_penalty == 1.2));
}

TEST_CASE("generate: text comes in whole characters, and all of it comes") {
  const Tokenizer t = bytes_tokenizer();
  const std::string say = "na\u00efve \u65e5\u672c \U0001F44D\U0001F3FD, end";
  Scripted s{.script = bytes_of(say)};
  const auto pieces = pieces_of(s, t, "Say: ");
  CHECK(joined(pieces) == say);
  CHECK(pieces.size() > 10);
  for (const auto& p : pieces) {
    CHECK(!p.empty());
    CHECK(!tokenizer::first_invalid_utf8(p));
  }
  CHECK(s.stored == [&] {  // the prompt and all but the last byte
    Ids want = bytes_of("Say: " + say);
    want.pop_back();
    return want;
  }());
}

TEST_CASE("generate: a character that stays broken becomes U+FFFD at the end; of one that the sink refused nothing follows") {
  const Tokenizer t = bytes_tokenizer();
  Scripted cut{.script = bytes_of("ok \xe6\x97")};
  CHECK(joined(pieces_of(cut, t, "x")) == "ok \ufffd");
  Scripted stopped{.script = bytes_of("ab\xe6\x97")};
  std::string got;
  const auto r = generate(stopped, t, "x", {.max_new = 4}, [&](std::string_view piece) {
    got += piece;
    return got != "ab";
  });
  REQUIRE(r);
  CHECK(r->reason == StopReason::sink);
  CHECK(got == "ab");
}

TEST_CASE("generate: the prompt must be text, and must not be empty for a tokenizer without BOS") {
  const Tokenizer t = bytes_tokenizer();
  Scripted s{.script = bytes_of("x")};
  const auto broken = generate(s, t, "\xff", {}, [](std::string_view) {});
  REQUIRE(!broken);
  CHECK(broken.error().code == errc::invalid_argument);
  const auto empty = generate(s, t, "", {}, [](std::string_view) {});
  REQUIRE(!empty);
  CHECK(empty.error().code == errc::empty_prompt);
  CHECK(s.stored.empty());
}
#endif
