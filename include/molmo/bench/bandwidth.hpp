// SPDX-License-Identifier: Apache-2.0
// How many bytes per second the threads of a backend read, and move, from a cache or from main memory.
//
//   measure_read(cpu, bytes, effort)   a table of so many bytes, again and again, each thread its own share
// A table is read as one long stream, and as eight neighbouring rows walked together, as a matrix-vector product can
// do; the better one is the limit. On many CPUs the eight rows win by far beyond L2: prefetchers stop at every page,
// and eight of them run at once. Tables lie in huge pages where the system gives them.
#pragma once

#include <molmo/backend/huge_pages.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/bench/peak.hpp>

#include <cstddef>
#include <cstring>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace molmo::inline v0 {

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

/// In which order a table is read.
enum class ReadOrder { best, stream, rows };

namespace detail {

inline constexpr index_t probe_rows = 8;
// Floats in a row: 8 KiB and one line, so that rows do not share cache sets.
inline constexpr index_t probe_row = 2048 + 16;
inline constexpr index_t probe_group = probe_rows * probe_row;

// The sum of n floats, n a multiple of probe_group, in eight registers: eight rows side by side, then the next eight,
template <class V>
float read_work(const float* p, index_t n) {
  V a[probe_rows];
  for (V& v : a) v = V::broadcast(0);
  for (const float* end = p + n; p < end; p += probe_group)
    for (index_t c = 0; c < probe_row; c += V::size) {
      MOLMO_UNROLL
      for (index_t s = 0; s < probe_rows; ++s) a[s] = a[s] + V::load(p + s * probe_row + c);
    }
  for (index_t s = 1; s < probe_rows; ++s) a[0] = a[0] + a[s];
  return reduce_add(a[0]);
}

// ... or one after the other.
template <class V>
float stream_work(const float* p, index_t n) {
  static_assert(probe_group % (probe_rows * V::size) == 0);
  V a[probe_rows];
  for (V& v : a) v = V::broadcast(0);
  for (const float* end = p + n; p < end; p += probe_rows * V::size) {
    MOLMO_UNROLL
    for (index_t s = 0; s < probe_rows; ++s) a[s] = a[s] + V::load(p + s * V::size);
  }
  for (index_t s = 1; s < probe_rows; ++s) a[0] = a[0] + a[s];
  return reduce_add(a[0]);
}

// A table in huge pages, every page of it written to once: pages that nobody has written to are all the same page of
// zeros, and reading them would measure a cache.
inline AlignedBytes touched_table(std::size_t bytes) {
  AlignedBytes table = AlignedBytes::zeroed(bytes, 1, &huge_pages());
  if (table.data() != nullptr) std::memset(table.data(), 0, bytes);
  return table;
}

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
struct TableWalk {
  index_t size, piece;
  index_t at = 0;

  index_t next() {
    const index_t here = at;
    at = at + 2 * piece <= size ? at + piece : 0;
    return here;
  }
};
inline constexpr index_t walk_piece = index_t{1} << 19;  // floats, 2 MB

// Through a table of whole groups of rows, in the fewest pieces of one length, that leave out less than a group each.
// Pieces of a fixed length would leave out half of a table that is a little longer than one, and that half decides
// whether the table fits into a cache.
[[nodiscard]] inline TableWalk walk_through(index_t floats) {
  const index_t pieces = (floats + walk_piece - 1) / walk_piece;
  return {floats, floats / pieces / probe_group * probe_group};
}

// How fast `floats` floats are read; each thread has its own share, a whole number of groups of rows.
template <class Arch>
Rate read_rate(const Xsimd<Arch>& cpu, const float* data, index_t floats, Effort effort,
               ReadOrder order = ReadOrder::best) {
  using V = Lanes<Arch>;
  const index_t share = (std::max)(floats / cpu.threads() / probe_group, index_t{1}) * probe_group;
  const TableWalk whole = walk_through(share);
  const index_t piece = whole.piece;
  const index_t repeats =
      piece < share ? 1 : (std::max)(walk_piece / share, index_t{1});  // a small table, several times
  const auto reader = [&](auto work) {
    return [&, work, walk = whole]() mutable {
      const index_t at = walk.next();
      cpu.parallel([&](int part, int) {
        for (index_t i = 0; i < repeats; ++i) keep(work(data + part * share + at, piece));
      });
    };
  };
  auto rows = reader([](const float* p, index_t n) { return read_work<V>(p, n); });
  auto stream = reader([](const float* p, index_t n) { return stream_work<V>(p, n); });
  const double bytes = static_cast<double>(piece * repeats * cpu.threads()) * sizeof(float);
  const Rate by_rows = order == ReadOrder::stream ? Rate{} : rate_of(bytes, time_calls(rows, machine_timing(effort)));
  const Rate in_line = order == ReadOrder::rows ? Rate{} : rate_of(bytes, time_calls(stream, machine_timing(effort)));
  return by_rows.median > in_line.median ? by_rows : in_line;
}

// Passes y = f(operands) over n elements, `accesses` floats per element.
template <class Arch, class E>
Rate pass_rate(const Xsimd<Arch>& cpu, float* y, index_t n, const E& e, int accesses, Effort effort) {
  const index_t piece = (std::min)(n, walk_piece);
  TableWalk walk{n, piece};
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

/// Bytes per second of reading a table of `bytes` bytes again and again, all threads together. Zero without memory.
template <class Arch>
[[nodiscard]] Rate measure_read(const Xsimd<Arch>& cpu, std::size_t bytes, Effort effort,
                                ReadOrder order = ReadOrder::best) {
  constexpr std::size_t group = detail::probe_group * sizeof(float);
  const AlignedBytes table = detail::touched_table((std::max)(bytes, group * static_cast<std::size_t>(cpu.threads())));
  if (table.data() == nullptr) return {};
  const PinThreads pin(cpu);
  return detail::read_rate(cpu, reinterpret_cast<const float*>(table.data()),
                           static_cast<index_t>(bytes / sizeof(float)), effort, order);
}

}  // namespace molmo::inline v0
