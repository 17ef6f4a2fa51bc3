// SPDX-License-Identifier: Apache-2.0
// PinThreads: gives each thread of a backend a core of its own as long as it lives, for measurements.
//
//   const PinThreads pin(cpu);
// A busy system wakes a sleeping thread on the core of the thread that woke it, and leaves both there for a while: two
// threads then measure one core. Only Linux can; elsewhere, and where threads outnumber cores, nothing happens.
#pragma once

#include <molmo/core/platform.hpp>

#include <cstddef>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace molmo::inline v0 {

#if defined(__linux__)
template <class Ctx>
class PinThreads {
 public:
  explicit PinThreads(const Ctx& cpu) : cpu_(cpu) {
    const std::vector<int> cores = allowed_cores();
    if (cores.size() < static_cast<std::size_t>(cpu.threads())) return;
    before_.resize(static_cast<std::size_t>(cpu.threads()));
    cpu_.parallel([&](int part, int) {
      const auto i = static_cast<std::size_t>(part);
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(cores[i]), &one);
      before_[i].thread = std::this_thread::get_id();
      before_[i].known = sched_getaffinity(0, sizeof before_[i].cores, &before_[i].cores) == 0;
      if (before_[i].known) (void)sched_setaffinity(0, sizeof one, &one);
    });
    // A busy executor lets one thread run several parts: what it had before the first of them is what it gets back.
    for (std::size_t i = 0; i < before_.size(); ++i)
      for (std::size_t first = 0; first < i; ++first)
        if (before_[first].thread == before_[i].thread) {
          before_[i] = before_[first];
          break;
        }
  }
  PinThreads(const PinThreads&) = delete;
  PinThreads& operator=(const PinThreads&) = delete;
  ~PinThreads() {
    if (before_.empty()) return;
    cpu_.parallel([&](int part, int) {
      const Before& b = before_[static_cast<std::size_t>(part)];
      if (b.known) (void)sched_setaffinity(0, sizeof b.cores, &b.cores);
    });
  }

  /// Are they on cores of their own?
  [[nodiscard]] bool pinned() const { return !before_.empty(); }

 private:
  struct Before {
    cpu_set_t cores;
    std::thread::id thread;
    bool known = false;
  };
  static std::vector<int> allowed_cores() {
    cpu_set_t allowed;
    std::vector<int> found;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return found;
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(static_cast<std::size_t>(core), &allowed)) found.push_back(core);
    return found;
  }

  Ctx cpu_;
  std::vector<Before> before_;
};
#else
template <class Ctx>
class PinThreads {
 public:
  explicit PinThreads(const Ctx&) {}
  [[nodiscard]] bool pinned() const { return false; }
};
#endif

}  // namespace molmo::inline v0
