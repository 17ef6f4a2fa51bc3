// SPDX-License-Identifier: Apache-2.0
// molmo bench: a model's speed beside what this machine could do at best.
//
// The least time of a decode step is that of reading its weights and its part of the KV cache once; of a prefill, that
// of its multiply-adds. Both limits are measured in the same run with the same threads, before and after the model; the
// better of the two counts. The ops one by one are in bench_ops.cpp.
#include <molmo/bench/latency.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "bench.hpp"
#include "interrupt.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

constexpr double enough_seconds = 30;  // after which no repetition is begun
constexpr double ops_seconds = 0.5;    // for the ops of a step
constexpr index_t step_tokens = SessionOptions{}.prefill_chunk;

// Of the repetitions.
struct Spread {
  double median = 0, min = 0, max = 0;
};
Spread spread_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  return {median_of(values), *min, *max};
}

struct Measured {
  std::vector<double> prefill, decode, first_token;  // tokens/s, tokens/s, seconds
  std::vector<double> steps;                         // seconds of each decoded token
};

// One prefill and one greedy text.
status once(AnySession& session, const std::vector<std::int32_t>& prompt, index_t decode, const std::stop_token& stop,
            Measured& out) {
  session.rewind();
  const double start = seconds_now();
  if (const auto logits = session.prefill(prompt, stop); !logits) return fail(logits.error());
  const double prefill = seconds_now() - start;
  result<std::int32_t> id = session.sample({}, 0);
  if (!id) return fail(id.error());
  const double first = seconds_now();
  double last = first;
  for (index_t i = 0; i < decode; ++i) {
    if (stop.stop_requested()) return fail(errc::cancelled, "interrupted");
    if (const auto logits = session.decode(*id); !logits) return fail(logits.error());
    id = session.sample({}, static_cast<std::uint64_t>(i) + 1);
    if (!id) return fail(id.error());
    const double now = seconds_now();
    out.steps.push_back(now - last);
    last = now;
  }
  out.prefill.push_back(static_cast<double>(prompt.size()) / prefill);
  out.first_token.push_back(first - start);
  if (decode > 0) out.decode.push_back(static_cast<double>(decode) / (last - first));
  return {};
}

struct Report {
  std::string name, weights;
  const Opened* model = nullptr;
  index_t prefill = 0, decode = 0;
  std::size_t repetitions = 0;
  Spread prefill_rate{}, decode_rate{}, first_token{};
  double decode_bytes = 0, prefill_flops = 0;  // per token, per prefill
  double start_to_first_token = 0;             // from the beginning of the command, everything cold
  std::uint64_t peak_bytes = 0, session_bytes = 0;
  Limits limits{};
  Latency latency{};
  LatencyHistogram histogram{};
  std::vector<MachineLimits> machine{};
  OpFigures decode_ops{}, prefill_ops{};

  [[nodiscard]] double prefill_share() const {
    return limits.flops > 0 ? prefill_flops * prefill_rate.median / static_cast<double>(prefill) / limits.flops : 0;
  }
  [[nodiscard]] double decode_share() const {
    return limits.read > 0 ? decode_bytes * decode_rate.median / limits.read : 0;
  }
};

Cell rate(double per_second, const char* unit) {
  return figure(per_second > 0 ? rate_text(per_second / 1e9) + unit : "", per_second);
}
Cell percent(double share) { return figure(share > 0 ? fmt::format("{:.0f} %", 100 * share) : "", share); }

Sheet limits_sheet(const Report& r) {
  Sheet s{"limits",
          "This machine at its best",
          {{"threads", "threads"},
           {"flops", "f32"},
           {"int8", "int8"},
           {"read_l2", "read L2"},
           {"read_l3", "read L3"},
           {"read_memory", "read memory"},
           {"barrier_seconds", "parallel step"}},
          {}};
  for (const MachineLimits& m : r.machine)
    s.rows.push_back({figure(std::to_string(m.threads), m.threads), rate(m.flops, " GFLOP/s"), rate(m.int8, " GOP/s"),
                      rate(m.read_l2, " GB/s"), rate(m.read_l3, " GB/s"), rate(m.read_memory, " GB/s"),
                      figure(seconds_text(m.barrier_seconds), m.barrier_seconds)});
  return s;
}

Sheet ops_sheet(const Report& r, std::string_view key, std::string_view title, const OpFigures& figures) {
  Sheet s{key,
          title,
          {{"op", "op"},
           {"calls", "calls"},
           {"seconds", "time"},
           {"share_of_step", "of the step"},
           {"flops_per_second", "arithmetic"},
           {"bytes_per_second", "memory"},
           {"share_of_limit", "of its limit"},
           {"limit", "which is"}},
          {}};
  double sum = 0;
  const double whole = figures.step_seconds;
  const double l2 = r.machine.empty() ? 0 : r.machine.back().read_l2;
  for (const OpFigure& op : figures.ops) {
    const Share share = share_of_limit(op, op.seconds, {r.limits.flops, op.in_cache ? l2 : r.limits.read});
    sum += op.seconds;
    s.rows.push_back({word(op.name), figure(std::to_string(op.calls), static_cast<double>(op.calls)),
                      figure(seconds_text(op.seconds), op.seconds), percent(whole > 0 ? op.seconds / whole : 0),
                      rate(op.seconds > 0 ? op.flops / op.seconds : 0, " GFLOP/s"),
                      rate(op.seconds > 0 ? op.bytes / op.seconds : 0, " GB/s"), percent(share.of_limit),
                      word(share.by_arithmetic ? "arithmetic" : "memory")});
  }
  const auto other = [&](std::string_view name, double seconds) {
    s.rows.push_back({word(name), figure("", 0), figure(seconds >= 0 ? seconds_text(seconds) : "-", seconds),
                      percent(whole > 0 ? seconds / whole : 0), figure("", 0), figure("", 0), figure("", 0), word("")});
  };
  if (whole > 0) {
    other("the rest", whole - sum);
    other("a whole step", whole);
  }
  return s;
}

Sheet speeds_sheet(const Report& r) {
  Sheet s{"speeds", "The model", {{"what", ""}, {"value", ""}, {"remark", ""}}, {}};
  const auto row = [&](std::string_view what, std::string value, double number, const std::string& remark) {
    s.rows.push_back({word(what), figure(std::move(value), number), word(remark)});
  };
  const auto speed = [&](std::string_view what, index_t tokens, const Spread& v, std::string limit) {
    row(what, rate_text(v.median) + " tokens/s", v.median,
        fmt::format("{} tokens, {} ... {} in {} runs{}", tokens, rate_text(v.min), rate_text(v.max), r.repetitions,
                    limit));
  };
  speed("prefill", r.prefill, r.prefill_rate,
        r.limits.flops > 0 ? fmt::format("; {:.1f} % of the limit of {} GFLOP/s", 100 * r.prefill_share(),
                                         rate_text(r.limits.flops / 1e9))
                           : "");
  if (r.decode > 0)
    speed("decode", r.decode, r.decode_rate,
          r.limits.read > 0 ? fmt::format("; {:.1f} % of the limit of {}/s at {} per token", 100 * r.decode_share(),
                                          bytes_text(r.limits.read), bytes_text(r.decode_bytes))
                            : "");
  row("first token", seconds_text(r.first_token.median), r.first_token.median, "prefill and choice");
  row("from the start", seconds_text(r.start_to_first_token), r.start_to_first_token,
      "to the first token, nothing warm");
  row("loading", seconds_text(r.model->seconds), r.model->seconds, "");
  row("memory", bytes_text(static_cast<double>(r.peak_bytes)), static_cast<double>(r.peak_bytes),
      fmt::format("at most, of which a session {}; mapped files count where they were read",
                  bytes_text(static_cast<double>(r.session_bytes))));
  return s;
}

Sheet latency_sheet(const Report& r) {
  Sheet s{"latency",
          "Latency of a decode step",
          {{"steps", "steps"}, {"p50", "p50"}, {"p90", "p90"}, {"p99", "p99"}, {"max", "slowest"}, {"tail", "p99/p50"}},
          {}};
  const Latency& l = r.latency;
  const auto time = [](double seconds) { return figure(seconds_text(seconds), seconds); };
  s.rows.push_back({figure(grouped(static_cast<std::int64_t>(l.steps)), static_cast<double>(l.steps)), time(l.p50),
                    time(l.p90), time(l.p99), time(l.max), figure(fmt::format("{:.2f}", l.tail()), l.tail())});
  return s;
}

Sheet histogram_sheet(const Report& r) {
  Sheet s{"histogram", "Steps by latency", {{"from", "from"}, {"steps", "steps"}, {"bar", ""}}, {}};
  const auto& counts = r.histogram.counts;
  const std::size_t most = counts.empty() ? 1 : *std::max_element(counts.begin(), counts.end());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0 && i + 1 < counts.size() && i > 0 && counts[i - 1] == 0) continue;  // a gap shows as one line
    const double from = r.histogram.edge(i);
    s.rows.push_back({figure(seconds_text(from), from),
                      figure(std::to_string(counts[i]), static_cast<double>(counts[i])),
                      word(std::string((counts[i] * 40 + most - 1) / most, '#'))});
  }
  return s;
}

std::vector<Sheet> sheets_of(const Report& r, bool histogram) {
  std::vector<Sheet> all;
  if (!r.machine.empty()) all.push_back(limits_sheet(r));
  if (!r.decode_ops.ops.empty()) all.push_back(ops_sheet(r, "decode_ops", "A decode step, op by op", r.decode_ops));
  if (!r.prefill_ops.ops.empty()) all.push_back(ops_sheet(r, "prefill_ops", "A prefill, op by op", r.prefill_ops));
  all.push_back(speeds_sheet(r));
  if (r.latency.steps > 0) {
    all.push_back(latency_sheet(r));
    if (histogram) all.push_back(histogram_sheet(r));
  }
  return all;
}

std::string text_of(const Report& r, SheetStyle style) {
  std::string out;
  if (style == SheetStyle::csv)
    out = "table,row,column,value\n";
  else
    out = fmt::format("{}: {} parameters, {}, {} on {} thread{}\n", bold(shown(r.name), stdout),
                      count_text(static_cast<double>(parameters_of(r.model->file))), r.weights, r.model->ready.backend,
                      r.model->ready.threads, r.model->ready.threads == 1 ? "" : "s");
  for (const Sheet& s : sheets_of(r, true)) out += sheet_text(s, style);
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
  j.field("start_to_first_token_seconds", r.start_to_first_token);
  j.field("load_seconds", r.model->seconds);
  j.field("peak_memory_bytes", r.peak_bytes);
  j.field("session_bytes", r.session_bytes);
  if (r.decode > 0) {
    spread("decode", r.decode, r.decode_rate);
    j.field("bytes_per_token", r.decode_bytes);
    r.limits.read > 0 ? j.field("limit_bytes_per_second", r.limits.read) : j.null("limit_bytes_per_second");
    r.limits.read > 0 ? j.field("share_of_limit", r.decode_share()) : j.null("share_of_limit");
    j.end();
  }
  for (const Sheet& s : sheets_of(r, false))
    if (s.key != "speeds" && s.key != "latency") write_sheet(j, s);
  if (r.latency.steps > 0) {
    j.begin("latency");
    j.field("steps", r.latency.steps);
    j.field("min", r.latency.min);
    j.field("p50", r.latency.p50);
    j.field("p90", r.latency.p90);
    j.field("p99", r.latency.p99);
    j.field("max", r.latency.max);
    j.field("tail", r.latency.tail());
    j.begin("histogram");
    j.field("first", r.histogram.first);
    j.field("ratio", r.histogram.ratio);
    j.begin("counts", '[');
    for (const std::size_t count : r.histogram.counts) j.field("", count);
    j.end();
    j.end();
    j.end();
  }
  return j.str();
}

}  // namespace

result<int> bench(const BenchArgs& args) {
  const double begin = seconds_now();
  if (args.json + args.csv + args.markdown > 1) return usage_error("give one of --json, --csv and --markdown");
  if (!args.directory.empty() && !args.config.empty()) return usage_error("give a model folder or --config, not both");
  if (!format_named(args.format))
    return usage_error(text("--format is ", in_quotes(args.format), "; it must be f32, bf16, f16, q8 or q4"));
  const Interrupts interrupts;
  const bool random = args.directory.empty();
  const std::string config = args.config.empty() ? "shakespeare" : args.config;
  const result<Opened> opened = random ? draw_model(config, args.format, args.run, interrupts.token())
                                       : open_model(args.directory, args.run, interrupts.token());
  if (!opened) return ended(interrupts, fail(opened.error()));
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
  r.prefill_flops = prefill_flops_of(c, args.prefill);
  r.decode_bytes = decode_bytes(*opened, args.prefill, args.decode);

  const int threads = opened->ready.threads;
  r.session_bytes = opened->ready.model->plan({.context = args.prefill + args.decode}).total();
  Measured m;
  const auto failed = [&](const molmo::error& e) { return ended(interrupts, failure_of_work(e)); };
  if (status s = once(**session, prompt, args.decode, interrupts.token(), m); !s) return failed(s.error());
  const double decode_seconds = m.decode.empty() ? 0 : static_cast<double>(args.decode) / m.decode[0];
  r.start_to_first_token = seconds_now() - begin - decode_seconds;
  r.peak_bytes = peak_memory();
  m = {};  // that was the warm-up

  const Limits before = measure_limits(threads, r.decode_bytes, interrupts.token());
  if (args.ops) r.machine = measure_machine_limits(threads, interrupts.token());
  ProgressBar bar("measuring", interrupts.token());
  const double start = seconds_now();
  for (int i = 0; i < args.repeat; ++i) {
    if (i > 0 && seconds_now() - start > enough_seconds) break;
    if (status s = once(**session, prompt, args.decode, interrupts.token(), m); !s) {
      bar.clear();
      return failed(s.error());
    }
    bar({"", static_cast<std::uint64_t>(i) + 1, static_cast<std::uint64_t>(args.repeat)});
  }
  bar.clear();
  if (args.ops) {
    const index_t past = args.prefill + args.decode / 2;
    if (args.decode > 0)
      r.decode_ops = time_ops(*opened, 1, past, ops_seconds, interrupts.token(), [&] {
        (*session)->rewind(past);
        (void)(*session)->decode(prompt[0]);
      });
    const index_t tokens = std::min(args.prefill, step_tokens);
    r.prefill_ops = time_ops(*opened, tokens, 0, ops_seconds, interrupts.token(), [&] {
      (*session)->rewind();
      (void)(*session)->prefill(std::span(prompt).first(static_cast<std::size_t>(tokens)), interrupts.token());
    });
  }
  const Limits after = measure_limits(threads, r.decode_bytes, interrupts.token());
  if (interrupts.requested()) return interrupts.exit_code();
  r.limits = {std::max(before.read, after.read), std::max(before.flops, after.flops)};
  r.repetitions = m.prefill.size();
  r.prefill_rate = spread_of(m.prefill);
  r.decode_rate = spread_of(m.decode);
  r.first_token = spread_of(m.first_token);
  r.latency = latency_of(m.steps);
  r.histogram = histogram_of(m.steps, 1.08, 24);
  Output out;
  const SheetStyle style = args.csv ? SheetStyle::csv : args.markdown ? SheetStyle::markdown : SheetStyle::text;
  out.write(args.json ? json_of(r) : text_of(r, style));
  return out.finish();
}

}  // namespace molmo_tool
