// SPDX-License-Identifier: Apache-2.0
// What this machine can do with the threads and the instruction set of a backend, in one record: multiply-adds of
// floats and of bytes per second (peak.hpp), bytes read per second from L2, L3 and main memory, bytes moved per second
// where a pass also writes (bandwidth.hpp), and what a parallel step costs.
//
//   Machine m = measure_machine(cpu, Effort::quick);      about 0.3 s; Effort::full: 4 s
// Every benchmark divides by limits measured in its own run.
#pragma once

#include <molmo/bench/bandwidth.hpp>
#include <molmo/bench/peak.hpp>
#include <molmo/bench/pin.hpp>

#include <vector>

namespace molmo::inline v0 {

/// The limits of a machine, all threads of the backend together.
struct Machine {
  int threads = 1;
  CacheSizes caches;
  Rate flops;      ///< f32 multiply-adds, two operations each
  Rate int8;       ///< multiply-adds of bytes, two operations each
  Rate read_l2;    ///< bytes/s, each thread in its own L2
  Rate read_l3;    ///< bytes/s, more than the L2 caches hold
  Rate read_dram;  ///< bytes/s, more than the L3 cache holds
  Rate copy;       ///< y = x in main memory; counts 2 accesses of an element
  Rate triad;      ///< y = a + s b in main memory; counts 3
  Rate update;     ///< y = y + a b in main memory; counts 4
  Timing barrier;  ///< seconds of a parallel step that does nothing
};

/// Measures everything, with the threads pinned to cores. Allocates up to 128 MB (quick) or 1 GB (full); what could not
/// be measured stays zero.
template <class Arch, int Level = detail::int8_level>
[[nodiscard]] Machine measure_machine(const Xsimd<Arch>& cpu, Effort effort) {
  using namespace detail;
  Machine m;
  m.threads = cpu.threads();
  m.caches = cache_sizes();
  const PinThreads pin(cpu);
  (void)time_calls([&] { cpu.parallel([](int, int) { keep(fma_work<Lanes<Arch>>(2000)); }); },
                   TimingOptions{.warm_up_seconds = 0.02, .batches = 1});  // clock rates settle
  m.flops = measure_flops(cpu, effort);
  m.int8 = measure_int8<Arch, Level>(cpu, effort);
  m.barrier = measure_barrier(cpu);
  const index_t floats = dram_floats(m.caches, effort);
  AlignedBytes block = touched_table(static_cast<std::size_t>(floats) * sizeof(float));
  if (block.data() == nullptr) return m;
  auto* data = reinterpret_cast<float*>(block.data());
  const auto in_floats = [](std::size_t bytes) { return static_cast<index_t>(bytes / sizeof(float)); };
  m.read_l2 = read_rate(cpu, data, in_floats(m.caches.l2 / 2) * cpu.threads(), effort);
  const std::size_t l2_together = m.caches.l2 * static_cast<std::size_t>(cpu.threads());
  m.read_l3 =
      read_rate(cpu, data, in_floats(std::clamp(m.caches.l3 / 4, 2 * l2_together, std::size_t{16} << 20)), effort);
  m.read_dram = read_rate(cpu, data, floats, effort);
  const index_t n = floats / 3 / 64 * 64;
  float *const y = data, *const a = data + n, *const b = data + 2 * n;
  const auto operand = [](const float* p) { return Strided<float, Spread::full>{p, 0}; };
  m.copy = pass_rate(cpu, y, n, operand(a), 2, effort);
  m.triad = pass_rate(cpu, y, n, map<add_f>(operand(a), map<mul_f>(Scalar<float>{0.5f}, operand(b))), 3, effort);
  m.update = pass_rate(cpu, y, n, map<add_f>(operand(y), map<mul_f>(operand(a), operand(b))), 4, effort);
  return m;
}

/// The numbers of threads at which a curve is measured: 1, 2, 4, 8 ... and `most`.
[[nodiscard]] inline std::vector<int> thread_counts(int most) {
  std::vector<int> counts;
  for (int n = 1; n < most; n *= 2) counts.push_back(n);
  counts.push_back((std::max)(most, 1));
  return counts;
}

/// The limits for 1, 2, 4, 8 ... `most` threads.
template <class Arch = native, int Level = detail::int8_level>
[[nodiscard]] std::vector<Machine> measure_machines(int most, Effort effort) {
  std::vector<Machine> machines;
  for (const int threads : thread_counts(most))
    machines.push_back(measure_machine<Arch, Level>(Xsimd<Arch>(threads), effort));
  return machines;
}

}  // namespace molmo::inline v0
