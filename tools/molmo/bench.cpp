// SPDX-License-Identifier: Apache-2.0
// molmo bench: tokens per second of prefill and decode, beside what this machine could do at best.
//
// The least time of a decode step is that of reading its weights and its part of the KV cache once; of a prefill, that
// of its multiply-adds. Both limits are measured in the same run with the same threads, before and after the model; the
// better of the two counts.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "interrupt.hpp"
#include "json_text.hpp"
#include "loading.hpp"
#include "machine.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double enough_seconds = 30;  // after which no repetition is begun

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Of the repetitions.
struct Spread {
  double median = 0, min = 0, max = 0;
};
Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return {values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2, values.front(), values.back()};
}

struct Measured {
  std::vector<double> prefill, decode, first_token;  // tokens/s, tokens/s, seconds
};

// One prefill and one greedy text.
status once(AnySession& session, const std::vector<std::int32_t>& prompt, index_t decode, const std::stop_token& stop,
            Measured* out) {
  session.rewind();
  Clock::time_point start = Clock::now();
  if (const auto logits = session.prefill(prompt, stop); !logits) return fail(logits.error());
  const double prefill = seconds_since(start);
  result<std::int32_t> id = session.sample({}, 0);
  if (!id) return fail(id.error());
  const double first = seconds_since(start);
  start = Clock::now();
  for (index_t i = 0; i < decode; ++i) {
    if (stop.stop_requested()) return fail(errc::cancelled, "interrupted");
    if (const auto logits = session.decode(*id); !logits) return fail(logits.error());
    id = session.sample({}, static_cast<std::uint64_t>(i) + 1);
    if (!id) return fail(id.error());
  }
  const double seconds = seconds_since(start);
  if (out == nullptr) return {};
  out->prefill.push_back(static_cast<double>(prompt.size()) / prefill);
  out->first_token.push_back(first);
  if (decode > 0) out->decode.push_back(static_cast<double>(decode) / seconds);
  return {};
}

struct Report {
  std::string name, weights;
  const Opened* model = nullptr;
  index_t prefill = 0, decode = 0;
  std::size_t repetitions = 0;
  Spread prefill_rate{}, decode_rate{}, first_token{};
  double decode_bytes = 0, prefill_flops = 0;  // per token, per prefill
  Limits limits{};

  [[nodiscard]] double prefill_share() const {
    return limits.flops > 0 ? prefill_flops * prefill_rate.median / static_cast<double>(prefill) / limits.flops : 0;
  }
  [[nodiscard]] double decode_share() const {
    return limits.read > 0 ? decode_bytes * decode_rate.median / limits.read : 0;
  }
};

std::string text_of(const Report& r) {
  const auto range = [](const Spread& s) { return fmt::format("{} ... {}", rate_text(s.min), rate_text(s.max)); };
  std::string out;
  const auto name = [](std::string_view n) { return bold(fmt::format("{:<12}", n), stdout); };
  out += fmt::format("{} {}: {} parameters, {}, {} on {} thread{}\n", name("model"), r.name,
                     count_text(static_cast<double>(parameters_of(r.model->file))), r.weights, r.model->ready.backend,
                     r.model->ready.threads, r.model->ready.threads == 1 ? "" : "s");
  const auto rate = [&](std::string_view what, index_t tokens, const Spread& s) {
    out += fmt::format("{} {:>5} tokens   {:>9} tokens/s   ({}, {} runs)", name(what), tokens, rate_text(s.median),
                       range(s), r.repetitions);
  };
  rate("prefill", r.prefill, r.prefill_rate);
  if (r.limits.flops > 0)
    out += fmt::format("   {:.1f} % of the limit: {}flop/s", 100 * r.prefill_share(),
                       rate_text(r.limits.flops / 1e9) + " G");
  out += fmt::format("\n{} {}\n", name("first token"), seconds_text(r.first_token.median));
  if (r.decode > 0) {
    rate("decode", r.decode, r.decode_rate);
    if (r.limits.read > 0)
      out += fmt::format("   {:.1f} % of the limit: {}/s, {} per token", 100 * r.decode_share(),
                         bytes_text(r.limits.read), bytes_text(r.decode_bytes));
    out += "\n";
  }
  return out;
}

std::string json_of(const Report& r) {
  JsonText j;
  j.field("model", r.name);
  j.field("weights", r.weights);
  j.field("parameters", parameters_of(r.model->file));
  j.field("backend", r.model->ready.backend);
  j.field("threads", r.model->ready.threads);
  j.field("processor", processor_name());
  j.field("repetitions", r.repetitions);
  const auto spread = [&](std::string_view name, index_t tokens, const Spread& s) {
    j.begin(name);
    j.field("tokens", tokens);
    j.field("tokens_per_second", s.median);
    j.field("min", s.min);
    j.field("max", s.max);
  };
  spread("prefill", r.prefill, r.prefill_rate);
  j.field("flops", r.prefill_flops);
  r.limits.flops > 0 ? j.field("limit_flops_per_second", r.limits.flops) : j.null("limit_flops_per_second");
  r.limits.flops > 0 ? j.field("share_of_limit", r.prefill_share()) : j.null("share_of_limit");
  j.end();
  j.field("first_token_seconds", r.first_token.median);
  if (r.decode > 0) {
    spread("decode", r.decode, r.decode_rate);
    j.field("bytes_per_token", r.decode_bytes);
    r.limits.read > 0 ? j.field("limit_bytes_per_second", r.limits.read) : j.null("limit_bytes_per_second");
    r.limits.read > 0 ? j.field("share_of_limit", r.decode_share()) : j.null("share_of_limit");
    j.end();
  }
  return j.str();
}

}  // namespace

result<int> bench(const BenchArgs& args) {
  constexpr index_t most = index_t{1} << 24;
  if (args.prefill < 1 || args.prefill > most)
    return usage_error(text("--prefill is ", args.prefill, "; it must be between 1 and ", most));
  if (args.decode < 0 || args.decode > most)
    return usage_error(text("--decode is ", args.decode, "; it must be between 0 and ", most));
  if (args.repeat < 1) return usage_error(text("--repeat is ", args.repeat, "; it must be at least 1"));
  if (!args.directory.empty() && !args.config.empty()) return usage_error("give a model folder or --config, not both");
  if (args.format != "f32" && args.format != "bf16" && args.format != "f16")
    return usage_error(text("--format is ", in_quotes(args.format), "; it must be f32, bf16 or f16"));
  const Interrupts interrupts;
  const auto interrupted = [&](const molmo::error& e) -> result<int> {
    if (e.code == errc::cancelled && interrupts.requested()) return interrupts.exit_code();
    return fail(e);
  };
  const bool random = args.directory.empty();
  const std::string config = args.config.empty() ? "shakespeare" : args.config;
  const result<Opened> opened =
      random ? draw_model(config, args.format, args.run) : open_model(args.directory, args.run, interrupts.token());
  if (!opened) return interrupted(opened.error());
  const LlmConfig& c = opened->file;
  const result<std::unique_ptr<AnySession>> session =
      start_session(*opened->ready.model, {.context = args.prefill + args.decode});
  if (!session) return fail(session.error());

  std::vector<std::int32_t> prompt;
  for (index_t i = 0; i < args.prefill; ++i)
    prompt.push_back(static_cast<std::int32_t>((i * 7919 + 17) % c.vocab_size));
  Report r{.name = random ? config : args.directory,
           .weights = random
                          ? "random " + args.format + " weights"
                          : bytes_text(static_cast<double>(opened->ready.model->facts().weight_bytes)) + " of weights",
           .model = &*opened,
           .prefill = args.prefill,
           .decode = args.decode};
  const auto parameters = static_cast<double>(parameters_of(c));
  r.prefill_flops = prefill_flops_of(c, args.prefill);
  r.decode_bytes =
      opened->bytes_per_parameter * share_read_per_token(c) * parameters +
      static_cast<double>(kv_bytes_of(c)) * (static_cast<double>(args.prefill) + static_cast<double>(args.decode) / 2);

  const int threads = opened->ready.threads;
  const Limits before = measure_limits(threads, r.decode_bytes);
  ProgressBar bar("measuring", interrupts.token());
  const Clock::time_point start = Clock::now();
  Measured m;
  for (int i = 0; i <= args.repeat; ++i) {  // the first is a warm-up
    if (i > 1 && seconds_since(start) > enough_seconds) break;
    if (status s = once(**session, prompt, args.decode, interrupts.token(), i == 0 ? nullptr : &m); !s) {
      bar.clear();
      return interrupted(failure_of_work(s.error()).what);
    }
    bar({"", static_cast<std::uint64_t>(i) + 1, static_cast<std::uint64_t>(args.repeat) + 1});
  }
  bar.clear();
  const Limits after = measure_limits(threads, r.decode_bytes);
  r.limits = {std::max(before.read, after.read), std::max(before.flops, after.flops)};
  r.repetitions = m.prefill.size();
  r.prefill_rate = spread_of(m.prefill);
  r.decode_rate = spread_of(m.decode);
  r.first_token = spread_of(m.first_token);
  Output out;
  out.write(args.json ? json_of(r) : text_of(r));
  return out.finish();
}

}  // namespace molmo_tool
