// SPDX-License-Identifier: Apache-2.0
// ThreadPool: the Executor that the library brings.
//
// The pool keeps threads - 1 workers. A step is announced by one atomic counter; workers that are awake see it within
// a fraction of a microsecond, because they spin for a short while after each step before they sleep. They never spin
// on a machine with fewer cores than threads, and a thread that spins for long keeps offering its core to others. The
// callers divide the work by fixed rules, so results do not depend on how many threads there are, nor on which thread
// runs which part. If a step is already running (a second session in another thread, or a nested call), the caller runs
// all parts itself: the same result, no waiting, no deadlock. So it does in a child of fork(), which has no workers.
#pragma once

#include <molmo/backend/executor.hpp>
#include <molmo/backend/worker_thread.hpp>

#include <atomic>
#include <memory>
#include <new>
#include <thread>
#if MOLMO_AVX2 || defined(__x86_64__)
#include <immintrin.h>
#endif

namespace molmo::inline v0 {

/// A fixed set of threads with static work and a low-latency barrier.
class ThreadPool final : public Executor {
 public:
  /// `threads` threads, the caller included; 0 or less means one per core. Where the system refuses to start so many,
  /// there are fewer: see threads().
  explicit ThreadPool(int threads) {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    if (threads <= 0) threads = cores > 0 ? cores : 1;
    if (threads > most_threads) threads = most_threads;
    spins_ = cores >= threads ? 4000 : 0;
    workers_.reset(new (std::nothrow) Worker[static_cast<std::size_t>(threads - 1)]);
    if (workers_ == nullptr) return;
    int started = 1;
    for (; started < threads; ++started) {
      Worker& w = workers_[static_cast<std::size_t>(started - 1)];
      w.pool = this, w.index = started;
      if (!w.thread.start(&Worker::main, &w)) break;
    }
    parts_ = started;
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() override {
    if (!process_.here()) return;  // there is nobody to wait for
    stop_.store(true, std::memory_order_relaxed);
    step_.fetch_add(1, std::memory_order_release);
    step_.notify_all();
    for (int i = 0; i < parts_ - 1; ++i) workers_[static_cast<std::size_t>(i)].thread.join();
  }

  [[nodiscard]] int threads() const noexcept override { return parts_; }

  void run(Body body, void* data) noexcept override {
    if (parts_ == 1 || !process_.here() || busy_.exchange(true, std::memory_order_acquire)) {
      for (int part = 0; part < parts_; ++part) body(data, part, parts_);
      return;
    }
    body_ = body;
    data_ = data;
    working_.store(parts_ - 1, std::memory_order_relaxed);
    step_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) step_.notify_all();
    body(data, 0, parts_);
    for (int spin = 0; working_.load(std::memory_order_acquire) != 0; spin = spin < spins_ ? spin + 1 : spin)
      wait_a_moment(spin);
    busy_.store(false, std::memory_order_release);
  }

 private:
  struct Worker {
    detail::WorkerThread thread;
    ThreadPool* pool = nullptr;
    int index = 0;

    static void* main(void* worker) {
      const Worker& w = *static_cast<const Worker*>(worker);
      w.pool->work(w.index);
      return nullptr;
    }
  };

  void work(int index) {
    unsigned seen = 0;
    for (;;) {
      seen = next_step(seen);
      if (stop_.load(std::memory_order_relaxed)) return;
      body_(data_, index, parts_);
      working_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  // Spins for a while, then sleeps, until the counter moves on from `seen`.
  unsigned next_step(unsigned seen) {
    for (int spin = 0; spin < spins_; ++spin) {
      const unsigned now = step_.load(std::memory_order_acquire);
      if (now != seen) return now;
      wait_a_moment(spin);
    }
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    unsigned now = step_.load(std::memory_order_seq_cst);
    while (now == seen) {
      step_.wait(seen, std::memory_order_acquire);
      now = step_.load(std::memory_order_acquire);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    return now;
  }

  // Hot for some microseconds; from then on it offers its core again and again, because the thread that it waits for
  // may have been put on the same one.
  void wait_a_moment(int spin) const {
    if (spin < spins_ && (spin < hot_spins || spin % 16 != 0))
      pause();
    else
      std::this_thread::yield();
  }

  static void pause() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  static constexpr int hot_spins = 256, most_threads = 4096;

  // Three cache lines: what tells the workers of a step, what they answer, and what only callers look at. One line more
  // between two cores costs a step about 0.1 us.
  alignas(64) std::atomic<unsigned> step_{0};
  std::atomic<int> sleepers_{0};
  Body body_ = nullptr;
  void* data_ = nullptr;
  std::atomic<bool> stop_{false};
  int parts_ = 1;
  int spins_ = 0;
  alignas(64) std::atomic<int> working_{0};
  alignas(64) std::atomic<bool> busy_{false};
  detail::ProcessMark process_;
  std::unique_ptr<Worker[]> workers_;
};

}  // namespace molmo::inline v0
