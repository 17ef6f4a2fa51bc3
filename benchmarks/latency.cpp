// SPDX-License-Identifier: Apache-2.0
// How evenly tokens come: the latency of single decode steps, with quantiles and a histogram, and what a parallel step
// costs that does nothing, for 1, 2, 4 ... threads.
//
//   molmo_bench_latency [--threads N] [--model 15m,110m] [--format f32,q8] [--steps 512] [--context 256] [--json]
#include "common.hpp"
#include "model.hpp"

#include <molmo/bench/latency.hpp>

#include <thread>

using namespace molmo;
using namespace bench;

namespace {

struct Run {
  Report& report;
  std::vector<int> threads;
  int steps;
  index_t context;
  bool pin;

  template <LlmConfig C>
  void model(const std::string& name, FormatId format) {
    using M = Llm<C>;
    const RandomModel<M> weights(format);
    for (const int n : threads) {
      const Xsimd<> cpu{n};
      std::optional<PinThreads<Xsimd<>>> pinned;
      if (pin) pinned.emplace(cpu);
      auto session = make_session(*weights, cpu, {.context = context + steps + 64});
      if (!session) {
        fmt::print(stderr, "{}: {}\n", name, session.error().message);
        return;
      }
      std::vector<std::int32_t> prompt(static_cast<std::size_t>(context));
      for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<std::int32_t>(i * 7919 % 31999);
      if (!session->prefill(prompt)) return;
      std::int32_t id = 1;
      std::uint64_t step = 0;
      bool failed = false;
      const std::vector<double> seconds = time_steps(steps, 32, [&] {
        failed = failed || !session->decode(id);
        const result<std::int32_t> next = session->sample({}, step++);
        id = next ? *next : 1;
      });
      if (failed) return;
      const Latency l = latency_of(seconds);
      const LatencyHistogram h = histogram_of(seconds, 1.05, 40);
      std::string counts;
      for (const std::size_t c : h.counts) counts += fmt::format("{}{}", counts.empty() ? "" : ",", c);
      std::vector<Field> row{
          word("model ", name),          word("format", format_name(format)), whole("threads", cpu.threads()),
          whole("steps", steps),         number("p50 us", l.p50 * 1e6),       number("p90 us", l.p90 * 1e6),
          number("p99 us", l.p99 * 1e6), number("max us", l.max * 1e6),       number("p99/p50", l.tail(), 2)};
      if (report.json()) {
        row.push_back(number("first_us", h.first * 1e6, 3));
        row.push_back(number("ratio", h.ratio, 3));
        row.push_back({"histogram", "[" + counts + "]", true});
      }
      report.row(row);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "The latency of decode steps, and of a barrier.");
  const auto cores = static_cast<long>(std::max(1u, std::thread::hardware_concurrency()));
  const int threads = static_cast<int>(options.get("--threads", cores, "threads at most"));
  const std::string models = options.get("--model", "15m", "15m, 110m");
  const std::string formats = options.get("--format", "f32,q8", "f32, bf16, f16, q8, q4");
  const int steps = static_cast<int>(options.get("--steps", 512, "decode steps"));
  const long context = options.get("--context", 256, "positions in the cache before them");
  const bool free = options.flag("--no-pin", "let the system place the threads");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  Report report(json);
  Run run{report, thread_counts(threads), steps, context, !free};
  report.title("A parallel step that does nothing, the threads being awake (median, [fastest - slowest])");
  for (const int n : run.threads) {
    const Xsimd<> cpu{n};
    const PinThreads pin(cpu);
    const Timing t = measure_barrier(cpu);
    report.row({word("what          ", "parallel step"), whole("threads", cpu.threads()),
                number("median ns", t.median * 1e9), number("min ns", t.min * 1e9), number("max ns", t.max * 1e9)});
  }
  report.title(fmt::format("A decode step behind {} positions", context));
  for (int f = 0; f < Formats::size; ++f) {
    const auto format = static_cast<FormatId>(f);
    if (!chosen(formats, format_name(format))) continue;
    if (chosen(models, "15m")) run.model<llama_15m>("15m", format);
    if (chosen(models, "110m")) run.model<llama_110m>("110m", format);
  }
}
