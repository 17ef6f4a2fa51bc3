// SPDX-License-Identifier: Apache-2.0
// What std::thread lacks for a pool: a start that fails with a value instead of an exception, and objects that a child
// of fork(), where the threads do not exist, may simply drop.
#pragma once

#include <molmo/core/platform.hpp>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#else
#include <thread>
#endif

namespace molmo::inline v0::detail {

#if defined(__unix__) || defined(__APPLE__)
/// A thread of the system.
class WorkerThread {
 public:
  /// False where the system refuses.
  [[nodiscard]] bool start(void* (*body)(void*), void* data) {
    return pthread_create(&thread_, nullptr, body, data) == 0;
  }
  void join() { (void)pthread_join(thread_, nullptr); }

 private:
  pthread_t thread_{};
};

/// Knows whether this process is the one that made it, or a child that fork() made of it: by a page that the system
/// hands to children empty, so that asking costs one load; where there is no such page, by the number of the process.
class ProcessMark {
 public:
  ProcessMark() {
#if defined(MADV_WIPEONFORK)
    const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* const page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
      (void)munmap(page, size);
      return;
    }
    page_ = static_cast<volatile int*>(page);
    *page_ = 1;
#endif
  }
  ProcessMark(const ProcessMark&) = delete;
  ProcessMark& operator=(const ProcessMark&) = delete;
  ~ProcessMark() {
    if (page_ != nullptr) (void)munmap(const_cast<int*>(page_), static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
  }
  [[nodiscard]] bool here() const { return page_ != nullptr ? *page_ != 0 : getpid() == process_; }

 private:
  volatile int* page_ = nullptr;
  pid_t process_ = getpid();
};
#else
class WorkerThread {
 public:
  [[nodiscard]] bool start(void* (*body)(void*), void* data) {
#if MOLMO_EXCEPTIONS
    try {
      thread_ = std::thread(body, data);
    } catch (...) {
      return false;
    }
#else
    thread_ = std::thread(body, data);
#endif
    return true;
  }
  void join() { thread_.join(); }

 private:
  std::thread thread_;
};

class ProcessMark {
 public:
  [[nodiscard]] bool here() const { return true; }
};
#endif

}  // namespace molmo::inline v0::detail
