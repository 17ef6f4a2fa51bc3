// SPDX-License-Identifier: Apache-2.0
// What fusing pointwise work into one pass buys: residual + SwiGLU + scale,
//
//   y = y + (silu(gate) * up) * scale,
// by molmo, Eigen and xtensor as one expression, and by Eigen and plain loops as four statements. GB/s of useful bytes:
// each operand read once, y written once, 16 bytes an element. The limit is y = y + a b on the same memory, the same
// bytes with next to no arithmetic, in the faster of two orders, timed in turn with the contestants. Each contestant is
// first checked against double precision. fusion_xsimd.cpp is this file with XTENSOR_USE_XSIMD.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 on its own AVX-512 header, inlined into Eigen
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "common.hpp"
#include "with_xtensor.hpp"

#include <molmo/expr/assign.hpp>

#ifdef MOLMO_HAS_EIGEN
#include <molmo/backend/eigen.hpp>
#endif

#include <cmath>
#include <functional>
#include <memory>
#include <optional>

using namespace molmo;
using namespace bench;

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
// Lets loops call the C library's vector expf, as -ffast-math does; it is accurate to 4 ULP.
extern "C" __attribute__((simd("notinbranch"), const)) float expf(float) noexcept;
#define NOT_VECTORISED __attribute__((optimize("no-tree-vectorize")))
#define HAVE_VECTOR_EXPF 1
#else
#define NOT_VECTORISED
#endif

namespace {

constexpr index_t width = 2048;
constexpr float scale = 0.7f;
using Rows2048 = Shape<dyn, width>;

struct Data {
  explicit Data(index_t tokens) : y(tokens), gate(tokens), up(tokens), t(tokens) { fill(); }
  void fill() {
    for (index_t i = 0; i < y.size(); ++i) {
      y[i] = start(i);
      gate[i] = static_cast<float>(i * 7919 % 8191) / 1024.0f - 4.0f;
      up[i] = static_cast<float>(i * 104729 % 4093) / 2048.0f - 1.0f;
    }
  }
  static float start(index_t i) { return static_cast<float>(i % 1021) / 512.0f - 1.0f; }
  Tensor<float, dyn, width> y, gate, up, t;
};

// One of the ways; body(begin, end) works on these elements, whole(...) on all of them with threads of its own.
struct Contestant {
  std::string name;
  std::function<void()> run;
  std::function<float(index_t)> result;  // y[i]
  std::function<void()> reset;
};

// What -O3 -march=native makes of it: a call of expf for each element.
NOT_VECTORISED void silu_pass(float* __restrict t, const float* __restrict g, index_t n) {
  for (index_t i = 0; i < n; ++i) t[i] = g[i] / (1.0f + ::expf(-g[i]));
}
void multiply_pass(float* __restrict t, const float* __restrict u, index_t n) {
  for (index_t i = 0; i < n; ++i) t[i] *= u[i];
}
void scale_pass(float* __restrict t, index_t n) {
  for (index_t i = 0; i < n; ++i) t[i] *= scale;
}
void add_pass(float* __restrict y, const float* __restrict t, index_t n) {
  for (index_t i = 0; i < n; ++i) y[i] += t[i];
}
#ifdef HAVE_VECTOR_EXPF
void vector_silu_pass(float* __restrict t, const float* __restrict g, index_t n) {
  for (index_t i = 0; i < n; ++i) t[i] = g[i] / (1.0f + ::expf(-g[i]));
}
void one_loop(float* __restrict y, const float* __restrict g, const float* __restrict u, index_t n) {
  for (index_t i = 0; i < n; ++i) y[i] += g[i] / (1.0f + ::expf(-g[i])) * u[i] * scale;
}
#endif

// The contestants that work on the arrays of `d`, shared among the threads of `cpu` in contiguous parts.
std::vector<Contestant> contestants(const Xsimd<>& cpu, Data& d) {
  std::vector<Contestant> all;
  const auto add = [&](std::string name, std::function<void()> run) {
    all.push_back({std::move(name), std::move(run), [&d](index_t i) { return d.y[i]; }, [&d] { d.fill(); }});
  };
  const auto add_parts = [&](std::string name, auto body) {
    add(std::move(name), [&cpu, &d, body] {
      cpu.parallel([&](int part, int parts) {
        const Range mine = split(d.y.size(), part, parts, index_t{64});
        const index_t at = mine.begin;
        body(d.y.data() + at, d.gate.data() + at, d.up.data() + at, d.t.data() + at, mine.end - at);
      });
    });
  };

  add("molmo, one expression", [&cpu, &d] { on(cpu, d.y) = d.y + (silu(d.gate) * d.up) * scale; });
#ifdef MOLMO_HAS_EIGEN
  using Array = Eigen::Map<Eigen::ArrayXf>;
  using ConstArray = Eigen::Map<const Eigen::ArrayXf>;
  add_parts("Eigen, one expression", [](float* y, const float* g, const float* u, float*, index_t n) {
    const ConstArray gate(g, n), up(u, n);
    Array(y, n) += gate / (1.0f + (-gate).exp()) * up * scale;
  });
  add_parts("Eigen, four statements", [](float* y, const float* g, const float* u, float* t, index_t n) {
    const ConstArray gate(g, n), up(u, n);
    Array swish(t, n), out(y, n);
    swish = gate / (1.0f + (-gate).exp());
    swish *= up;
    swish *= scale;
    out += swish;
  });
#endif
  add_parts("loops, four passes", [](float* y, const float* g, const float* u, float* t, index_t n) {
    silu_pass(t, g, n);
    multiply_pass(t, u, n);
    scale_pass(t, n);
    add_pass(y, t, n);
  });
#ifdef HAVE_VECTOR_EXPF
  add_parts("loops, four passes, vector expf", [](float* y, const float* g, const float* u, float* t, index_t n) {
    vector_silu_pass(t, g, n);
    multiply_pass(t, u, n);
    scale_pass(t, n);
    add_pass(y, t, n);
  });
  add_parts("loops, one pass, vector expf",
            [](float* y, const float* g, const float* u, float*, index_t n) { one_loop(y, g, u, n); });
#endif
  return all;
}

#ifdef HAVE_XTENSOR
#ifdef XTENSOR_USE_XSIMD
constexpr const char* xtensor_name = "xtensor with xsimd, one expression";
#else
constexpr const char* xtensor_name = "xtensor, one expression";
#endif

// xtensor with tensors of its own: one set per thread, since its views are far slower than its tensors.
Contestant xtensor_contestant(const Xsimd<>& cpu, const Data& d) {
  struct Part {
    index_t begin;
    xt::xtensor<float, 1> y, gate, up;
  };
  auto parts = std::make_shared<std::vector<Part>>();
  for (int part = 0; part < cpu.threads(); ++part) {
    const Range mine = split(d.y.size(), part, cpu.threads(), index_t{64});
    const std::array<std::size_t, 1> shape{static_cast<std::size_t>(mine.end - mine.begin)};
    parts->push_back(
        {mine.begin, xt::xtensor<float, 1>(shape), xt::xtensor<float, 1>(shape), xt::xtensor<float, 1>(shape)});
  }
  const auto reset = [parts, &d] {
    for (Part& p : *parts)
      for (std::size_t i = 0; i < p.y.size(); ++i) {
        const index_t at = p.begin + static_cast<index_t>(i);
        p.y(i) = Data::start(at), p.gate(i) = d.gate[at], p.up(i) = d.up[at];
      }
  };
  reset();
  return {xtensor_name,
          [parts, &cpu] {
            cpu.parallel([&](int part, int) {
              Part& p = (*parts)[static_cast<std::size_t>(part)];
              xt::noalias(p.y) = p.y + (p.gate / (1.0f + xt::exp(-p.gate)) * p.up) * scale;
            });
          },
          [parts](index_t i) {
            std::size_t part = parts->size() - 1;
            while ((*parts)[part].begin > i) --part;
            return (*parts)[part].y(static_cast<std::size_t>(i - (*parts)[part].begin));
          },
          reset};
}
#endif

// y = y + gate up, four neighbouring rows walked together: in main memory often faster than one after another.
void update_four_rows(const Xsimd<>& cpu, Data& d) {
  using V = Lanes<>;
  cpu.parallel([&](int part, int parts) {
    const Range rows = split(d.y.rows(), part, parts, index_t{4});
    for (index_t r = rows.begin; r < rows.end; r += 4) {
      const index_t count = std::min(rows.end - r, index_t{4});
      for (index_t c = 0; c < width; c += V::size)
        for (index_t i = r * width + c; i < (r + count) * width; i += width)
          fma(V::load(d.gate.data() + i), V::load(d.up.data() + i), V::load(d.y.data() + i)).store(d.y.data() + i);
    }
  });
}

// Runs each once from the same start and compares; ends the program where one is wrong.
void check(const std::vector<Contestant>& all, const Data& d) {
  for (const Contestant& c : all) {
    c.reset();
    c.run();
    for (index_t i = 0; i < d.y.size(); ++i) {
      const double g = static_cast<double>(d.gate[i]);
      const double want = static_cast<double>(Data::start(i)) +
                          g / (1 + std::exp(-g)) * static_cast<double>(d.up[i]) * static_cast<double>(scale);
      if (!(std::abs(static_cast<double>(c.result(i)) - want) <= 2e-6)) {
        fmt::print(stderr, "{}: element {} is {}, not {}\n", c.name, i, c.result(i), want);
        std::exit(1);
      }
    }
  }
}

void measure(Report& report, const Xsimd<>& cpu, const char* where, index_t bytes, int batches) {
  const index_t tokens = std::max(bytes / (3 * 4 * width), index_t{1});
  Data d(tokens);
  std::vector<Contestant> all = contestants(cpu, d);
#ifdef HAVE_XTENSOR
  all.push_back(xtensor_contestant(cpu, d));
#endif
  check(all, d);
  all.push_back({"limit: y = y + a b", [&] { on(cpu, d.y) = d.y + d.gate * d.up; }, {}, {}});
  all.push_back({"limit, four rows together", [&] { update_four_rows(cpu, d); }, {}, {}});

  std::vector<Timed> timed;
  for (Contestant& c : all) timed.emplace_back(c.run);
  TimingOptions options;
  options.batches = batches;
  const std::vector<Timing> times = time_in_turn(options, timed);

  report.title(fmt::format("y = y + (silu(gate) * up) * scale in {}: {} x {} elements, {:.1f} MB, {} thread{}", where,
                           tokens, width, static_cast<double>(12 * tokens * width) / 1e6, cpu.threads(),
                           cpu.threads() == 1 ? "" : "s"));
  const double limit = std::min(times.back().median, times[times.size() - 2].median);
  const double useful = 16.0 * static_cast<double>(tokens * width);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Timing& t = times[i];
    report.row({word("contestant                        ", all[i].name), word("memory", where),
                number("threads", cpu.threads(), 0), number("GB/s", useful / t.median / 1e9),
                number("slowest", useful / t.max / 1e9), number("fastest", useful / t.min / 1e9),
                number("% of limit", 100 * limit / t.median, 0),
                number("x the time of molmo", t.median / times[0].median, 2),
                number("of the fastest", t.min / times[0].min, 2)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "One fused pass against several: residual + SwiGLU + scale.\n");
  const std::string threads = options.get("--threads", "1,2", "numbers of threads");
  const std::string where = options.get("--memory", "L2,L3,DRAM", "where the operands fit");
  const int batches = static_cast<int>(options.get("--batches", 61, "measurements of which the median is taken"));
  const bool free = options.flag("--no-pin", "let the system place the threads");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  Report report(json);
  const CacheSizes caches = cache_sizes();
  for (const std::string& n : pieces(threads)) {
    const Xsimd<> cpu{static_cast<int>(std::max(std::atol(n.c_str()), 1L))};
    std::optional<PinThreads<Xsimd<>>> pin;
    if (!free) pin.emplace(cpu);
    if (!json) report_machine(report, measure_machine(cpu, Effort::full));
    const auto l2 = static_cast<index_t>(caches.l2) * cpu.threads(), l3 = static_cast<index_t>(caches.l3);
    if (chosen(where, "L2")) measure(report, cpu, "L2", l2 / 2, batches);
    if (chosen(where, "L3")) measure(report, cpu, "L3", std::max(l3 / 4, 2 * l2), batches);
    if (chosen(where, "DRAM")) measure(report, cpu, "DRAM", 2 * l3, batches);
  }
}
