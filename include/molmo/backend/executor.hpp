// SPDX-License-Identifier: Apache-2.0
// Executor: who runs the parts of a parallel step, a ThreadPool (backend/threads.hpp) or threads of your own.
//
// run_parts() is how a step gets there and back: every part calculates with the floating-point mode of the caller, and
// what a part throws is thrown again in the caller once all parts have ended. An executor has to do neither.
#pragma once

#include <molmo/backend/float_mode.hpp>
#include <molmo/core/platform.hpp>

#include <atomic>
#include <exception>
#include <utility>

namespace molmo::inline v0 {

/// Runs parts of a step. Derive from it to use threads of your own. A part may call run() again, and two threads may
/// call it at once: who cannot hand the parts out then calls all of them itself. Kernels use up to 64 KB of stack.
class Executor {
 public:
  /// A part of a step. It never throws.
  using Body = void (*)(void* data, int part, int parts);

  virtual ~Executor() = default;
  /// The largest number of parts that run at the same time; always the same.
  [[nodiscard]] virtual int threads() const noexcept = 0;
  /// Calls body(data, part, parts) once for each part in [0, parts), parts = threads(), and returns when all are done.
  virtual void run(Body body, void* data) noexcept = 0;
};

namespace detail::inline MOLMO_ISA {

// A step, as its parts see it. What it calls lies behind it (Job): the workers fetch both with one cache line.
struct alignas(64) Step {
  explicit Step(Executor::Body of_job) : body(of_job) {}

  Executor::Body body;
  std::exception_ptr error{};  // of the part that failed first
  FloatMode mode = float_mode();
  std::atomic<bool> failed{false};

  static void run_part(void* step, int part, int parts) {
    Step& s = *static_cast<Step*>(step);
    const FloatMode before = float_mode();
    if (before != s.mode) set_float_mode(s.mode);
#if MOLMO_EXCEPTIONS
    try {
      s.body(step, part, parts);
    } catch (...) {
      if (!s.failed.exchange(true)) s.error = std::current_exception();
    }
#else
    s.body(step, part, parts);
#endif
    if (before != s.mode) set_float_mode(before);
  }
};

template <class F>  // a reference where the caller keeps it
struct Job : Step {
  explicit Job(F&& f)
      : Step([](void* step, int part, int parts) { static_cast<Job*>(static_cast<Step*>(step))->call(part, parts); }),
        call(std::forward<F>(f)) {}

  F call;
};

MOLMO_NOINLINE inline void run_step(Executor& executor, Step& step) {
  executor.run(&Step::run_part, &step);
#if MOLMO_EXCEPTIONS
  if (step.error) std::rethrow_exception(std::move(step.error));
#endif
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Calls body(part, parts) for all parts, and returns, or throws what the first part to fail threw, when all are done.
/// Parts that come after a failure run all the same; the executor can be used again.
template <class F>
void run_parts(Executor& executor, F&& body) {
  detail::Job<F> job(std::forward<F>(body));
  detail::run_step(executor, job);
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
