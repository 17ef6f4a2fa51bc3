// SPDX-License-Identifier: Apache-2.0
// Tokens per second of whole models against the number of threads and against the positions in the cache, in turn, with
// the share of the limit: reading the weights and the cache once for a decoded token, at the bandwidth measured for a
// table of that size; the multiply-adds for a prefill.
//
//   molmo_bench_threads [--threads N] [--model 15m,110m] [--format f32,q8] [--contexts 64,256,1024] [--json]
#include "common.hpp"
#include "model.hpp"

#include <deque>
#include <thread>

using namespace molmo;
using namespace bench;

namespace {

struct Limit {
  double flops = 0, bytes = 0;
};

struct Run {
  Report& report;
  std::vector<int> threads;
  std::vector<index_t> contexts;
  int rounds;
  index_t prompt, steps;
  bool pin;

  template <class M>
  struct Lane {
    explicit Lane(int threads) : cpu(threads) {}
    Xsimd<> cpu;
    std::optional<PinThreads<Xsimd<>>> pinned{};
    std::optional<Session<M, Xsimd<>>> session{};
    Limit limit{};
    std::vector<double> decode{}, prefill{};
  };

  static std::vector<std::int32_t> ids(index_t count) {
    std::vector<std::int32_t> out(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int32_t>(i * 7919 % 31999);
    return out;
  }
  // Seconds of a decoded token.
  template <class S>
  double decode(S& session) const {
    const double start = seconds_now();
    for (index_t i = 0; i < steps; ++i) {
      if (!session.decode(static_cast<std::int32_t>(i + 1))) return 0;
      (void)session.sample({}, 0);
    }
    return (seconds_now() - start) / static_cast<double>(steps);
  }
  // Of a token; only the last one has logits.
  template <class M>
  [[nodiscard]] double flops_of_prefill() const {
    const auto head = static_cast<double>(2 * M::logits_size * M::config.d_model);
    return M::flops_per_token(prompt / 2) - head * (1 - 1 / static_cast<double>(prompt));
  }
  void row(const std::string& name, FormatId format, const char* work, int n, index_t context,
           const std::vector<double>& seconds, double least) const {
    const Timing t = molmo::detail::summary(seconds, 0);
    report.row({word("model ", name), word("format", format_name(format)), word("work   ", work), whole("threads", n),
                whole("context", context), number("tokens/s", 1 / t.median), number("min", 1 / t.max),
                number("max", 1 / t.min), number("% of limit", 100 * least / t.median, 0)});
  }

  template <LlmConfig C>
  void model(const std::string& name, FormatId format) {
    using M = Llm<C>;
    const RandomModel<M> weights(format);
    const index_t longest = *std::max_element(contexts.begin(), contexts.end());
    const auto cache_bytes = [](index_t positions) { return static_cast<double>(M::kv_bytes_per_token() * positions); };
    const auto weight_bytes = static_cast<double>(weights.bytes_per_step());
    std::deque<Lane<M>> lanes;
    for (const int n : threads) {
      auto& lane = lanes.emplace_back(n);
      {
        const PinThreads best(lane.cpu);
        lane.limit = {measure_flops(lane.cpu, Effort::quick).median,
                      measure_read(lane.cpu, static_cast<std::size_t>(weight_bytes), Effort::quick).median};
      }
      auto session = make_session(*weights, lane.cpu, {.context = std::max(longest, prompt) + 2 * steps});
      if (!session) {
        fmt::print(stderr, "{}: {}\n", name, session.error().message);
        return;
      }
      lane.session.emplace(std::move(*session));
    }
    const std::vector<std::int32_t> text = ids(std::max(longest, prompt));
    const auto first = [&](index_t count) { return std::span(text).first(static_cast<std::size_t>(count)); };
    for (int round = -1; round < rounds; ++round)  // the first is a warm-up
      for (std::size_t i = 0; i < lanes.size(); ++i) {
        Lane<M>& lane = lanes[round % 2 == 0 ? i : lanes.size() - 1 - i];
        if (pin) lane.pinned.emplace(lane.cpu);
        lane.session->rewind();
        const double start = seconds_now();
        const bool done = lane.session->prefill(first(prompt)).has_value();
        const double prefill = (seconds_now() - start) / static_cast<double>(prompt);
        lane.session->rewind(std::min(prompt, index_t{64}));
        const double step = decode(*lane.session);
        lane.pinned.reset();
        if (round < 0 || !done) continue;
        lane.prefill.push_back(prefill);
        lane.decode.push_back(step);
      }
    const double positions = 64 + static_cast<double>(steps) / 2;
    for (const Lane<M>& lane : lanes) {
      row(name, format, "decode", lane.cpu.threads(), 64, lane.decode,
          (weight_bytes + positions * cache_bytes(1)) / lane.limit.bytes);
      row(name, format, "prefill", lane.cpu.threads(), prompt, lane.prefill, flops_of_prefill<M>() / lane.limit.flops);
    }
    Lane<M>& last = lanes.back();
    if (pin) last.pinned.emplace(last.cpu);
    for (const index_t context : contexts) {
      last.session->rewind();
      if (!last.session->prefill(first(context))) return;
      std::vector<double> seconds;
      for (int round = -1; round < rounds; ++round) {
        last.session->rewind(context);
        const double s = decode(*last.session);
        if (round >= 0) seconds.push_back(s);
      }
      row(name, format, "context", last.cpu.threads(), context, seconds,
          (weight_bytes + cache_bytes(context + steps / 2)) / last.limit.bytes);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "Tokens per second against threads and context.");
  const auto cores = static_cast<long>(std::max(1u, std::thread::hardware_concurrency()));
  const int threads = static_cast<int>(options.get("--threads", cores, "threads at most"));
  const std::string models = options.get("--model", "15m", "15m, 110m");
  const std::string formats = options.get("--format", "f32,q8", "f32, bf16, f16, q8, q4");
  const std::string contexts = options.get("--contexts", "64,256,1024,4096", "positions in the cache");
  const int rounds = static_cast<int>(options.get("--rounds", 7, "measurements of which the median is taken"));
  const long prompt = options.get("--prompt", 256, "tokens of a prefill");
  const long steps = options.get("--steps", 32, "decode steps of a measurement");
  const bool free = options.flag("--no-pin", "let the system place the threads");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  Report report(json);
  Run run{report, thread_counts(threads), {}, rounds, prompt, steps, !free};
  for (const std::string& c : pieces(contexts)) run.contexts.push_back(std::max(std::atol(c.c_str()), 1L));
  if (run.contexts.empty() || prompt < 1 || steps < 1 || rounds < 1) return 2;
  report.title("Tokens per second (median, slowest, fastest)");
  for (int f = 0; f < Formats::size; ++f) {
    const auto format = static_cast<FormatId>(f);
    if (!chosen(formats, format_name(format))) continue;
    if (chosen(models, "15m")) run.model<llama_15m>("15m", format);
    if (chosen(models, "110m")) run.model<llama_110m>("110m", format);
  }
}
