// SPDX-License-Identifier: Apache-2.0
// What a gradient of an expression costs beside a loop by hand: silu(gate) * up by both operands, one thread, in
// nanoseconds of CPU time an element, f32.
//
//   molmo_bench_gradient
// The two take turns; the figures are lower quartiles. The loop by hand uses the same registers and the same exp.
#include <molmo/backend/xsimd_gradient.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <vector>

using namespace molmo;

namespace {

using V = Lanes<>;
using Numbers = View<float, Shape<dyn>>;

struct Data {
  Numbers gate, up, g, dgate, dup;
};

MOLMO_NOINLINE void by_hand(const Data& d) {
  const V one = V::broadcast(1.0f);
  for (index_t i = 0; i + V::size <= d.g.size(); i += V::size) {
    const V a = V::load(d.gate.data + i), u = V::load(d.up.data + i), g = V::load(d.g.data + i);
    const V s = one / (one + exp(-a));
    const V y = a * s;
    (g * u * (s + y * (one - s))).store(d.dgate.data + i);
    (g * y).store(d.dup.data + i);
  }
}
MOLMO_NOINLINE void by_walk(const Data& d) {
  on(Xsimd{}, d.dgate, d.dup) = gradient(silu(d.gate) * d.up, d.g, d.gate, d.up);
}

double nanoseconds(void (*pass)(const Data&), const Data& d) {
  const index_t times = std::max<index_t>(1, 300000 / d.g.size());
  const std::clock_t start = std::clock();
  for (index_t i = 0; i < times; ++i) pass(d);
  return 1e9 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / static_cast<double>(times * d.g.size());
}

double lower_quartile(std::vector<double>& all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 4];
}

}  // namespace

int main() {
  fmt::print("{:>10} {:>10} {:>10} {:>8}\n", "elements", "by hand", "gradient", "ratio");
  for (const index_t n : {index_t{4096}, index_t{16384}, index_t{200000}, index_t{8000000}}) {
    std::vector<float> memory(static_cast<std::size_t>(5 * n));
    for (index_t i = 0; i < 3 * n; ++i) memory[static_cast<std::size_t>(i)] = static_cast<float>(i % 977) * 0.01f - 4;
    const auto part = [&](index_t k) { return Numbers(memory.data() + k * n, n); };
    const Data d{part(0), part(1), part(2), part(3), part(4)};
    std::vector<double> hand, walk;
    for (int round = 0; round < (n > 1000000 ? 21 : 401); ++round) {
      hand.push_back(nanoseconds(&by_hand, d));
      walk.push_back(nanoseconds(&by_walk, d));
    }
    const double a = lower_quartile(hand), b = lower_quartile(walk);
    fmt::print("{:>10} {:>10.3f} {:>10.3f} {:>8.2f}\n", n, a, b, b / a);
  }
}
