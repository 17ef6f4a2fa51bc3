// SPDX-License-Identifier: Apache-2.0
// Matrix products y[m, n] = x[m, k] w[n, k]^T of molmo beside those of OpenBLAS, BLIS, Eigen and oneDNN, whichever are
// on this machine:
//
//   molmo_bench_gemm [--threads N] [--m 1,8,64,512] [--shape 288x768,...] [--format f32,bf16,q8,q4] [--json]
// All of them in turn in one process, first to last and last to first (A B B A), each turn a warm-up call and then
// calls for a few milliseconds; with several threads a turn begins after a pause, in which the threads of the one
// before go to sleep. The limits are measured in every round as well, so that shares are of the same seconds: the
// multiply-add peak, and the bandwidth of reading a table as large as the weights again and again. Peers calculate in
// f32 whatever the format.
#include "common.hpp"
#include "gemm_peers.hpp"
#include "matrices.hpp"

#include <molmo/ops/matmul/cpu.hpp>

#include <functional>
#include <map>
#include <optional>
#include <thread>

using namespace molmo;
using namespace bench;

namespace {

struct Engine {
  std::string name;
  double bytes;  // of weights
  std::function<void()> call;
  bool pinned = false;  // each thread of molmo's to a core of its own while it has its turn
  std::vector<double> seconds{};
};

struct Turns {
  const Xsimd<>& cpu;
  int rounds;
  double seconds, pause;  // of a turn, and before it

  // The seconds of a call.
  double turn(const std::function<void()>& call, bool pinned = false) const {
    if (pause > 0) std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    std::optional<PinThreads<Xsimd<>>> pin;
    if (pinned) pin.emplace(cpu);
    call();
    const double start = seconds_now();
    double now = start;
    long calls = 0;
    do {
      call();
      ++calls;
      now = seconds_now();
    } while (now - start < seconds);
    return (now - start) / static_cast<double>(calls);
  }
  // `between` is called once in each round.
  void run(std::vector<Engine>& engines, const std::function<void()>& between) const {
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < engines.size(); ++i) {
        Engine& e = engines[round % 2 == 0 ? i : engines.size() - 1 - i];
        e.seconds.push_back(turn(e.call, e.pinned));
      }
      between();
    }
  }
};

Timing timing_of(const std::vector<double>& seconds) { return molmo::detail::summary(seconds, 0); }

struct Gemm {
  Report& report;
  const Xsimd<>& cpu;
  std::vector<std::unique_ptr<Peer>> peers;
  Turns turns;
  std::string formats;
  bool pin;
  bool wrong = false;

  // The faster way of a peer, prepared; false where it has none.
  bool best_way(Peer& peer, index_t m, const Matrix& w, const float* x, float* y) const {
    const auto* weights = reinterpret_cast<const float*>(w.w.data);
    const auto run = [&] { peer.run(m, w.w.rows, w.w.cols, x, weights, y); };
    double best_seconds = 0;
    int best = -1, last = -1;
    for (int way = 0; peer.prepare(way, m, w.w.rows, w.w.cols, weights); last = way++) {
      double seconds = turns.turn(run);
      seconds = std::min(seconds, turns.turn(run));
      if (best < 0 || seconds < best_seconds) best = way, best_seconds = seconds;
    }
    if (best >= 0 && best != last) (void)peer.prepare(best, m, w.w.rows, w.w.cols, weights);
    return best >= 0;
  }

  void shape(index_t m, index_t k, index_t n) {
    const std::vector<float> x = random_floats(m * k, 2);
    std::vector<float> y(static_cast<std::size_t>(m * n));
    std::vector<Matrix> matrices;
    matrices.reserve(2 * Formats::size + 1);
    std::vector<Engine> engines;
    const auto add = [&](std::string name, const Matrix& w, std::function<void()> call) {
      std::fill(y.begin(), y.end(), 0.0f);
      call();
      if (const double e = product_error(w.w, m, x.data(), y.data()); !(e < 2e-2)) {
        fmt::print(stderr, "{}: wrong result at M {} K {} N {}: error {}\n", name, m, k, n, e);
        wrong = true;
        return;
      }
      const bool pinned = pin && name.starts_with("molmo");
      engines.push_back({std::move(name), static_cast<double>(w.bytes()), std::move(call), pinned});
    };
    const auto ours = [&](const Matrix& w) {
      return [&] {
        multiply(cpu, Rows{x.data(), m, k, k}, Product<float, Acc>{w.w, y.data(), n, acc});
        keep(y.data());
      };
    };
    for (int f = 0; f < Formats::size; ++f) {
      const auto format = static_cast<FormatId>(f);
      if (!chosen(formats, format_name(format))) continue;
      const Matrix& rows = matrices.emplace_back(random_matrix(format, n, k));
      if (!rows.ok()) return;
      add(fmt::format("molmo {}", format_name(format)), rows, ours(rows));
      if (!has_panels(format)) continue;
      const Matrix& panels = matrices.emplace_back(packed(rows));
      if (panels.ok()) add(fmt::format("molmo {} packed", format_name(format)), panels, ours(panels));
    }
    const Matrix& f32 = matrices.emplace_back(random_matrix(format_id<F32>, n, k));
    if (!f32.ok()) return;
    for (const auto& peer : peers) {
      if (!best_way(*peer, m, f32, x.data(), y.data())) continue;
      add(peer->name, f32, [&, p = peer.get()] {
        p->run(m, n, k, x.data(), reinterpret_cast<const float*>(f32.w.data), y.data());
        keep(y.data());
      });
    }
    constexpr long steps = 20000;
    const double peak_work = 2.0 * molmo::detail::fma_chains * steps * Lanes<>::size * cpu.threads();
    std::map<double, std::vector<double>> read;  // bytes of a table -> bytes per second, once a round
    for (const Engine& e : engines) read[e.bytes];
    const auto measure_reads = [&] {
      for (auto& [bytes, rates] : read)
        rates.push_back(measure_read(cpu, static_cast<std::size_t>(bytes), Effort::quick).median);
    };
    const auto peak_call = [&] { cpu.parallel([](int, int) { keep(molmo::detail::fma_work<Lanes<>>(steps)); }); };
    engines.push_back({"", 0, peak_call, true});
    turns.run(engines, measure_reads);
    const double peak = peak_work / timing_of(engines.back().seconds).median;
    engines.pop_back();

    double best_peer = 0;
    for (const Engine& e : engines) {
      const double seconds = timing_of(e.seconds).median;
      if (!e.name.starts_with("molmo") && (best_peer == 0 || seconds < best_peer)) best_peer = seconds;
    }
    for (const Engine& e : engines) {
      const Timing t = timing_of(e.seconds);
      const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
      const double bytes = e.bytes + 4.0 * static_cast<double>(m) * static_cast<double>(n + k);
      const double bandwidth = timing_of(read[e.bytes]).median;
      const Share share = share_of_limit(Cost{flops, bytes}, t.median, {peak, bandwidth});
      report.row({word("K x N       ", fmt::format("{} x {}", k, n)), whole("M", m), whole("threads", cpu.threads()),
                  word("engine           ", e.name), number("us", t.median * 1e6), number("us min", t.min * 1e6),
                  number("us max", t.max * 1e6), number("GFLOP/s", flops / t.median / 1e9),
                  number("GB/s", bytes / t.median / 1e9), number("% of limit", 100 * share.of_limit, 0),
                  word("limit", share.by_arithmetic ? "flops" : "bytes"), number("peak GFLOP/s", peak / 1e9, 0),
                  number("read GB/s", bandwidth / 1e9),
                  number("x best peer", best_peer > 0 ? best_peer / t.median : std::nan(""), 2)});
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "Matrix products beside those of other libraries.");
  const int threads = static_cast<int>(options.get("--threads", 1, "threads"));
  const std::string ms = options.get("--m", "1,8,64,512", "rows of x");
  const std::string shapes = options.get("--shape", "288x768,1024x4096,2048x5504,4096x14336", "K x N of the weights");
  const std::string formats = options.get("--format", "f32", "f32, bf16, f16, q8, q4");
  const std::string engines = options.get("--engine", "", "peers: openblas, blis, eigen, onednn");
  const long rounds = options.get("--rounds", 11, "turns of which the median is taken");
  const bool pin = options.flag("--pin", "molmo's threads on cores of their own (the peers' are left to the system)");
  const long turn = options.get("--turn-ms", 3, "milliseconds of a turn");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  const Xsimd<> cpu{threads};
  Report report(json);
  report_machine(report, measure_machine(cpu, Effort::quick));
  Gemm gemm{report,
            cpu,
            all_peers(cpu.threads()),
            Turns{cpu, static_cast<int>(rounds), static_cast<double>(turn) * 1e-3, cpu.threads() > 1 ? 0.03 : 0.0},
            formats,
            pin};
  std::erase_if(gemm.peers, [&](const auto& peer) { return !chosen(engines, peer->name); });
  report.title(fmt::format("y = x w^T, {} thread{}", cpu.threads(), cpu.threads() == 1 ? "" : "s"));
  for (const std::string& shape : pieces(shapes)) {
    const auto sizes = pieces(shape, 'x');
    if (sizes.size() != 2) {
      fmt::print(stderr, "--shape is a list such as 288x768,1024x4096\n");
      return 2;
    }
    for (const std::string& m : pieces(ms))
      gemm.shape(std::atol(m.c_str()), std::atol(sizes[0].c_str()), std::atol(sizes[1].c_str()));
  }
  return gemm.wrong ? 1 : 0;
}
