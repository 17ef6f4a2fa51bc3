// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include "commands.hpp"

#if MOLMO_HAS_XSIMD
#include <molmo/bench/machine.hpp>
#endif

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string_view>
#include <thread>

#include <unistd.h>

namespace molmo_tool {
namespace {

// The number after `label` in a file of lines such as "MemAvailable:   123 kB".
std::optional<std::uint64_t> number_in(const char* path, std::string_view label) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(label)) continue;
    const std::size_t digit = line.find_first_of("0123456789", label.size());
    std::uint64_t n = 0;
    if (digit != line.npos && std::from_chars(line.data() + digit, line.data() + line.size(), n).ec == std::errc{})
      return n;
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t available_memory() {
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
  if (const auto kib = number_in("/proc/meminfo", "MemAvailable:")) {
    bytes = *kib * 1024;
  } else {
#if defined(_SC_PHYS_PAGES)
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0) bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size);
#endif
  }
  const auto limit = number_in("/sys/fs/cgroup/memory.max", "");
  const auto used = number_in("/sys/fs/cgroup/memory.current", "");
  if (limit && used) {
    const std::uint64_t cache =
        number_in("/sys/fs/cgroup/memory.stat", "inactive_file").value_or(0);  // given back on demand
    const std::uint64_t taken = *used > cache ? *used - cache : 0;
    bytes = std::min(bytes, *limit > taken ? *limit - taken : 0);
  }
  return bytes;
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != line.npos) return line.substr(colon + 2);
  }
  return {};
}

molmo::result<int> threads_asked_for(std::optional<int> asked) {
  const auto wrong = [](std::string_view where, std::string_view value) {
    return molmo::fail(molmo::errc::invalid_argument, molmo::text(where, " is '", value.substr(0, 40),
                                                                  "'; it must be a number from 1 to ", most_threads));
  };
  if (asked) {
    if (*asked < 1 || *asked > most_threads) return wrong("--threads", std::to_string(*asked));
    return *asked;
  }
  if (const char* set = std::getenv("MOLMO_NUM_THREADS"); set != nullptr && *set != '\0') {
    const std::string_view value = set;
    int n = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), n);
    if (end.ec != std::errc{} || end.ptr != value.data() + value.size() || n < 1 || n > most_threads)
      return wrong("MOLMO_NUM_THREADS", value);
    return n;
  }
  return 0;
}

int default_threads(std::uint64_t weight_bytes) {
  const std::uint64_t cores = std::max(1u, std::thread::hardware_concurrency());
  return static_cast<int>(std::clamp<std::uint64_t>(weight_bytes / 4000000, 1, cores));
}

Limits measure_limits(int threads, double set_bytes, const std::stop_token& stop) {
#if MOLMO_HAS_XSIMD
  // Beyond a quarter of a gigabyte nothing is left in a cache, and a larger table would only take memory.
  const std::size_t bytes = static_cast<std::size_t>(std::clamp(set_bytes, 65536.0, double{256 << 20}));
  const molmo::Xsimd<> all(threads), one;
  Limits best;
  for (int round = 0; round < 5; ++round)
    for (const molmo::Xsimd<>* cpu : {&all, &one}) {  // on a busy machine one thread alone may be the faster
      if (stop.stop_requested()) return {};
      best.flops = std::max(best.flops, molmo::measure_flops(*cpu, molmo::Effort::quick).max);
      best.read = std::max(best.read, molmo::measure_read(*cpu, bytes, molmo::Effort::quick).max);
    }
  return best;
#else
  (void)threads, (void)set_bytes, (void)stop;
  return {};
#endif
}

std::vector<MachineLimits> measure_machine_limits(int most, const std::stop_token& stop) {
  std::vector<MachineLimits> all;
#if MOLMO_HAS_XSIMD
  using namespace molmo;
  const CacheSizes caches = cache_sizes();
  for (const int threads : thread_counts(most)) {
    if (stop.stop_requested()) break;
    const Xsimd<> cpu(threads);
    const PinThreads pin(cpu);
    const auto n = static_cast<std::size_t>(cpu.threads());
    const auto read = [&](std::size_t bytes) { return measure_read(cpu, bytes, Effort::quick).median; };
    MachineLimits m;
    m.threads = cpu.threads();
    m.flops = measure_flops(cpu, Effort::quick).median;
    m.int8 = measure_int8(cpu, Effort::quick).median;
    m.read_l2 = read(n * caches.l2 / 2);
    m.read_l3 = read(std::clamp(caches.l3 / 4, 2 * n * caches.l2, std::size_t{16} << 20));
    m.read_memory = read(std::min(2 * caches.l3, std::size_t{128} << 20));
    m.barrier_seconds = measure_barrier(cpu).median;
    all.push_back(m);
  }
#else
  (void)most, (void)stop;
#endif
  return all;
}

std::uint64_t peak_memory() { return number_in("/proc/self/status", "VmHWM:").value_or(0) * 1024; }

}  // namespace molmo_tool
