// SPDX-License-Identifier: Apache-2.0
// Interrupts: while it lives, Ctrl-C (SIGINT) and SIGTERM ask a stop token to stop instead of ending the program; a
// second one ends it at once. A thread waits for the signals, so that no handler runs in the middle of anything.
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace molmo_tool {

class Interrupts {
 public:
  /// To be made before other threads are, since they inherit the blocked signals.
  Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts();

  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }
  [[nodiscard]] bool requested() const { return source_.stop_requested(); }
  /// 128 + the signal, as a shell has it.
  [[nodiscard]] int exit_code() const { return 128 + signal_.load(); }

 private:
  void wait();

  std::stop_source source_;
  std::atomic<int> signal_{SIGINT};
  std::atomic<bool> finished_{false};
  sigset_t waited_{}, before_{};
  std::thread waiter_;
};

}  // namespace molmo_tool
