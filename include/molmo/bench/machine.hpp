// SPDX-License-Identifier: Apache-2.0
// What this machine can do with the threads and the instruction set of a backend: multiply-adds per second, bytes read
// per second from L2, L3 and main memory, bytes moved per second where a pass also writes.
//
//   Machine m = measure_machine(cpu, Effort::quick);      about 0.2 s; Effort::full: 2 s
// A read walks eight neighbouring rows together, as a matrix-vector product does: on most CPUs that is faster than one
// long stream, which the prefetchers stop at every page. Every benchmark divides by limits measured in its own run.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/bench/micro.hpp>

#include <cstddef>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace molmo::inline v0 {

/// Something per second: the median over the batches, and the extremes.
struct Rate {
  double median = 0, min = 0, max = 0;
};

/// Bytes of one core's data caches, and of the shared last one.
struct CacheSizes {
  std::size_t l1 = 32 << 10, l2 = 1 << 20, l3 = 32 << 20;
};

/// What the system says, or the defaults above where it is silent.
[[nodiscard]] inline CacheSizes cache_sizes() {
  CacheSizes sizes;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  const auto ask = [](int name, std::size_t& size) {
    const long answer = sysconf(name);
    if (answer > 0) size = static_cast<std::size_t>(answer);
  };
  ask(_SC_LEVEL1_DCACHE_SIZE, sizes.l1);
  ask(_SC_LEVEL2_CACHE_SIZE, sizes.l2);
  ask(_SC_LEVEL3_CACHE_SIZE, sizes.l3);
#endif
  return sizes;
}

/// The limits of a machine, all threads of the backend together.
struct Machine {
  int threads = 1;
  CacheSizes caches;
  Rate flops;      ///< f32 multiply-adds, two operations each
  Rate read_l2;    ///< bytes/s, each thread in its own L2
  Rate read_l3;    ///< bytes/s, more than the L2 caches hold
  Rate read_dram;  ///< bytes/s, more than the L3 cache holds
  Rate copy;       ///< y = x in main memory; counts 2 accesses of an element
  Rate triad;      ///< y = a + s b in main memory; counts 3
  Rate update;     ///< y = y + a b in main memory; counts 4
};

enum class Effort { quick, full };

namespace detail {

inline TimingOptions machine_timing(Effort effort) {
  return effort == Effort::quick ? TimingOptions{.warm_up_seconds = 0.002, .batch_seconds = 0.0003, .batches = 31}
                                 : TimingOptions{.warm_up_seconds = 0.02, .batch_seconds = 0.0005, .batches = 401};
}

// `amount` per call as a rate.
inline Rate rate_of(double amount, const Timing& t) {
  const auto per_second = [&](double seconds) { return seconds > 0 ? amount / seconds : 0; };
  return {per_second(t.median), per_second(t.max), per_second(t.min)};
}

inline constexpr int fma_chains =
    12;  // independent sums: two units with a latency of four or five cycles are kept busy

template <class V>
float fma_work(long steps) {
  V a[fma_chains];
  for (int i = 0; i < fma_chains; ++i) a[i] = V::broadcast(static_cast<float>(i));
  V scale = V::broadcast(0.999f), step = V::broadcast(0.001f);
  keep(scale);
  keep(step);
  for (long s = 0; s < steps; ++s) {
    MOLMO_UNROLL
    for (int i = 0; i < fma_chains; ++i) a[i] = fma(a[i], scale, step);
  }
  V total = a[0];
  for (int i = 1; i < fma_chains; ++i) total = total + a[i];
  return reduce_add(total);
}

inline constexpr index_t read_streams = 8;
inline constexpr index_t read_row =
    2048 + 16;  // floats in a row: 8 KiB and one line, so that rows do not share cache sets

// The sum of n floats, n a multiple of read_streams * read_row: eight rows side by side, then the next eight.
template <class V>
float read_work(const float* p, index_t n) {
  V a[read_streams];
  for (V& v : a) v = V::broadcast(0);
  for (const float* end = p + n; p < end; p += read_streams * read_row)
    for (index_t c = 0; c < read_row; c += V::size) {
      MOLMO_UNROLL
      for (index_t s = 0; s < read_streams; ++s) a[s] = a[s] + V::load(p + s * read_row + c);
    }
  for (index_t s = 1; s < read_streams; ++s) a[0] = a[0] + a[s];
  return reduce_add(a[0]);
}

// Memory in big pages, where the system gives them: a probe of memory should not measure the page tables.
struct HugePages final : MemoryResource {
  static constexpr std::size_t page = std::size_t{2} << 20;

  void* allocate(std::size_t bytes, std::size_t) noexcept override {
    void* p = ::operator new (bytes, std::align_val_t{page}, std::nothrow);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (p != nullptr) madvise(p, bytes, MADV_HUGEPAGE);  // a wish: whether it is granted changes nothing but the speed
#endif
    return p;
  }
  void deallocate(void* p, std::size_t, std::size_t) noexcept override {
    ::operator delete (p, std::align_val_t{page});
  }
};

// Floats for a probe of main memory: several times the last cache, but not more than an eighth of the machine.
inline index_t dram_floats(const CacheSizes& caches, Effort effort) {
  const bool quick = effort == Effort::quick;
  const std::size_t most = std::size_t{quick ? 128u : 1024u} << 20;
  std::size_t bytes = std::clamp((quick ? 2 : 8) * caches.l3, std::size_t{64} << 20, most);
#if defined(_SC_PHYS_PAGES)
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0)
    bytes = (std::min)(bytes, static_cast<std::size_t>(pages) / 8 * static_cast<std::size_t>(page));
#endif
  return static_cast<index_t>(bytes / sizeof(float));
}

// The next piece of a table that is walked again and again: a call does one piece, not the whole table, so that calls
// are short beside the time slices of a busy machine and yet find nothing in a cache that the table does not fit.
struct Walk {
  index_t size, piece;
  index_t at = 0;

  index_t next() {
    const index_t here = at;
    at = at + 2 * piece <= size ? at + piece : 0;
    return here;
  }
};
inline constexpr index_t walk_piece = index_t{1} << 19;  // floats, 2 MB

// Reads `floats` floats, each thread its own share of whole groups of rows.
template <class Arch>
Rate read_rate(const Xsimd<Arch>& cpu, const float* data, index_t floats, Effort effort) {
  constexpr index_t group = read_streams * read_row;
  const index_t share = (std::max)(floats / cpu.threads() / group, index_t{1}) * group;
  const index_t piece = (std::min)(share, walk_piece / group * group);
  const index_t repeats =
      piece < share ? 1 : (std::max)(walk_piece / share, index_t{1});  // a small table, several times
  Walk walk{share, piece};
  const Timing t = time_calls(
      [&] {
        const index_t at = walk.next();
        cpu.parallel([&](int part, int) {
          for (index_t i = 0; i < repeats; ++i) keep(read_work<Lanes<Arch>>(data + part * share + at, piece));
        });
      },
      machine_timing(effort));
  return rate_of(static_cast<double>(piece * repeats * cpu.threads()) * sizeof(float), t);
}

// Passes y = f(operands) over n elements, `accesses` floats per element.
template <class Arch, class E>
Rate pass_rate(const Xsimd<Arch>& cpu, float* y, index_t n, const E& e, int accesses, Effort effort) {
  const index_t piece = (std::min)(n, walk_piece);
  Walk walk{n, piece};
  const Timing t = time_calls(
      [&] {
        const index_t at = walk.next();
        cpu.parallel([&](int part, int parts) {
          const Range mine = split(piece, part, parts, index_t{64});
          assign_row<Lanes<Arch>>(y, e, 0, at + mine.begin, at + mine.end);
        });
      },
      machine_timing(effort));
  return rate_of(static_cast<double>(piece) * accesses * sizeof(float), t);
}

}  // namespace detail

/// f32 multiply-adds per second, all threads of `cpu` together.
template <class Arch>
[[nodiscard]] Rate measure_flops(const Xsimd<Arch>& cpu, Effort effort) {
  constexpr long steps = 2000;
  const Timing t = time_calls([&] { cpu.parallel([&](int, int) { keep(detail::fma_work<Lanes<Arch>>(steps)); }); },
                              detail::machine_timing(effort));
  return detail::rate_of(2.0 * detail::fma_chains * steps * Lanes<Arch>::size * cpu.threads(), t);
}

/// Bytes per second of reading a table of `bytes` bytes again and again, all threads together. Zero without memory.
template <class Arch>
[[nodiscard]] Rate measure_read(const Xsimd<Arch>& cpu, std::size_t bytes, Effort effort) {
  constexpr std::size_t group = detail::read_streams * detail::read_row * sizeof(float);
  detail::HugePages pages;
  const AlignedBytes table =
      AlignedBytes::zeroed((std::max)(bytes, group * static_cast<std::size_t>(cpu.threads())), 1, &pages);
  if (table.data() == nullptr) return {};
  return detail::read_rate(cpu, reinterpret_cast<const float*>(table.data()),
                           static_cast<index_t>(bytes / sizeof(float)), effort);
}

/// Measures everything. Allocates up to 128 MB (quick) or 1 GB (full); what could not be measured stays zero.
template <class Arch>
[[nodiscard]] Machine measure_machine(const Xsimd<Arch>& cpu, Effort effort) {
  using namespace detail;
  Machine m;
  m.threads = cpu.threads();
  m.caches = cache_sizes();
  (void)time_calls([&] { cpu.parallel([](int, int) { keep(fma_work<Lanes<Arch>>(2000)); }); },
                   TimingOptions{.warm_up_seconds = 0.02, .batches = 1});  // the threads find their cores
  m.flops = measure_flops(cpu, effort);
  const index_t floats = dram_floats(m.caches, effort);
  HugePages pages;
  AlignedBytes block = AlignedBytes::zeroed(static_cast<std::size_t>(floats), sizeof(float), &pages);
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

}  // namespace molmo::inline v0
