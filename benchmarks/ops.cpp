// SPDX-License-Identifier: Apache-2.0
// Matrix products at the shapes of real models, with every backend that this program was built with:
//
//   molmo_bench_ops [--threads N] [--m 1,8,64,512] [--shape 288x768,...] [--format f32,...] [--layout rows,panels]
//                   [--backend xsimd,...]
// GFLOP/s, GB/s (weights, x and y once) and the share of the limit: the larger of flops / multiply-add peak, measured
// in turn with the product, and bytes / read bandwidth of a table as large as the weights, measured in this run. --cold
// gives every call other weights, as the layers of a big model do, and compares with the bandwidth of main memory.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 on its own AVX-512 header, inlined into Eigen
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "common.hpp"
#include "matrices.hpp"

#include <molmo/ops/matmul/cpu.hpp>
#ifdef MOLMO_HAS_EIGEN
#include <molmo/ops/matmul/eigen.hpp>
#endif
#ifdef MOLMO_HAS_ONEDNN
#include <molmo/ops/matmul/onednn.hpp>
#endif

#include <map>
#include <optional>

using namespace molmo;
using namespace bench;

namespace {

struct Case {
  index_t m, k, n;
  FormatId format;
};

struct Products {
  Report& report;
  Machine machine;
  bool cold;
  TimingOptions options;
  std::map<index_t, double> read_rates{};  // of tables of so many bytes
  bool wrong = false;

  double read_rate(const Xsimd<>& cpu, index_t bytes) {
    if (cold) return machine.read_dram.median;
    auto [at, fresh] = read_rates.try_emplace(bytes);
    if (fresh) at->second = measure_read(cpu, static_cast<std::size_t>(bytes), Effort::quick).median;
    return at->second;
  }

  template <class Backend>
  void run(const char* name, const Backend& cpu, const Case& c, const Matrix& weights, double bytes_per_second) {
    const std::vector<float> x = random_floats(c.m * c.k, 2);
    std::vector<float> y(static_cast<std::size_t>(c.m * c.n));
    index_t copy = 0;
    const auto call = [&] {
      const WeightMatrix w = weights.copy(copy);
      copy = copy + 1 < weights.copies ? copy + 1 : 0;
      multiply(cpu, Rows{x.data(), c.m, c.k, c.k}, Product<float, Acc>{w, y.data(), c.n, acc});
      keep(y.data());
    };
    call();
    if (const double e = product_error(weights.w, c.m, x.data(), y.data()); !(e < 2e-2)) {
      fmt::print(stderr, "{}: wrong result at m {} k {} n {} {}: error {}\n", name, c.m, c.k, c.n,
                 format_name(c.format), e);
      wrong = true;
      return;
    }
    // The multiply-add peak in turn with the product: clock rates change from second to second.
    constexpr long steps = 2000;
    const auto peak = [&] { cpu.parallel([](int, int) { keep(detail::fma_work<Lanes<>>(steps)); }); };
    const auto [t, p] = time_in_turn(options, call, peak);
    const double flops = 2.0 * detail::fma_chains * steps * Lanes<>::size * cpu.threads() / p.median;
    const Cost cost = matmul_cost(c.m, weights.w);
    const Share share = share_of_limit(cost, t.median, {flops, bytes_per_second});
    report.row({word("K x N      ", fmt::format("{} x {}", c.k, c.n)), word("weights", format_name(c.format)),
                word("layout", weights.w.layout == Layout::panels ? "panels" : "rows"),
                number("M", static_cast<double>(c.m), 0), word("backend  ", name),
                word("us [min - max]             ", with_extremes(t, 1e6)),
                number("GFLOP/s", cost.flops / t.median / 1e9), number("best GFLOP/s", cost.flops / t.min / 1e9),
                number("GB/s", cost.bytes / t.median / 1e9), number("% of limit", 100 * share.of_limit, 0),
                word("limit ", share.by_arithmetic ? "flops" : "bytes")});
  }
};

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "Matrix products at the shapes of real models.");
  const int threads = static_cast<int>(options.get("--threads", 1, "threads"));
  const std::string ms = options.get("--m", "1,8,64,512", "rows of x");
  const std::string shapes = options.get("--shape", "288x768,1024x4096,2048x5504", "K x N of the weights");
  const std::string formats = options.get("--format", "", "f32, bf16, f16, q8, q4");
  const std::string layouts = options.get("--layout", "", "rows, panels");
  const std::string backends = options.get("--backend", "", "xsimd, onednn, eigen");
  const long batches = options.get("--batches", 31, "measurements of which the median is taken");
  const bool cold = options.flag("--cold", "other weights in every call, none of them in a cache");
  const bool free = options.flag("--no-pin", "let the system place the threads");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  const Xsimd<> cpu{threads};
  std::optional<PinThreads<Xsimd<>>> pin;
  if (!free) pin.emplace(cpu);
  Report report(json);
  Products products{report, measure_machine(cpu, cold ? Effort::full : Effort::quick), cold, {}, {}};
  products.options.batches = static_cast<int>(batches);
  report_machine(report, products.machine);
#ifdef MOLMO_HAS_ONEDNN
  const OneDnn<> onednn{cpu};
#endif
  report.title(fmt::format("y = x w^T, {} thread{}{}", cpu.threads(), cpu.threads() == 1 ? "" : "s",
                           cold ? ", weights from main memory" : ""));
  for (const std::string& shape : pieces(shapes)) {
    const auto sizes = pieces(shape, 'x');
    for (int f = 0; f < Formats::size; ++f)
      for (const std::string& m : pieces(ms)) {
        const Case c{std::atol(m.c_str()), std::atol(sizes.at(0).c_str()), std::atol(sizes.at(1).c_str()),
                     static_cast<FormatId>(f)};
        if (!chosen(formats, format_name(c.format))) continue;
        const index_t bytes = WeightMatrix{nullptr, c.format, c.n, c.k}.row_bytes() * c.n;
        const index_t copies =
            cold ? std::max(index_t{4} * static_cast<index_t>(products.machine.caches.l3) / bytes, index_t{1}) : 1;
        const Matrix rows = random_matrix(c.format, c.n, c.k, copies);
        if (!rows.ok()) continue;
        const double rate = products.read_rate(cpu, bytes);
        if (chosen(backends, "xsimd") && chosen(layouts, "rows")) products.run("xsimd", cpu, c, rows, rate);
        if (chosen(backends, "xsimd") && chosen(layouts, "panels") && has_panels(c.format)) {
          const Matrix panels = packed(rows);
          if (panels.ok()) products.run("xsimd", cpu, c, panels, rate);
        }
#ifdef MOLMO_HAS_ONEDNN
        if (chosen(backends, "onednn")) products.run("onednn", onednn, c, rows, rate);
#endif
#ifdef MOLMO_HAS_EIGEN
        if (chosen(backends, "eigen") && cpu.threads() == 1) products.run("eigen", EigenCpu{}, c, rows, rate);
#endif
      }
  }
  return products.wrong ? 1 : 0;
}
