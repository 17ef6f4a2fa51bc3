// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>

namespace molmo_tool {

Interrupts::Interrupts() {
  sigemptyset(&waited_);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
      sigaddset(&waited_, signal);  // nohup stays nohup
  }
  sigset_t blocked = waited_;
  sigaddset(&blocked, SIGUSR1);  // how the destructor wakes the waiter
  pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  sigaddset(&waited_, SIGUSR1);
  try {
    waiter_ = std::thread([this] { wait(); });
  } catch (const std::system_error& e) {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    throw std::runtime_error(std::string("no thread could be started to wait for Ctrl-C (") + e.code().message() +
                             "); the limit on memory or on processes is too low (ulimit -v, ulimit -u)");
  }
}

Interrupts::~Interrupts() {
  finished_.store(true);
  pthread_kill(waiter_.native_handle(), SIGUSR1);
  waiter_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Interrupts::wait() {
  using Clock = std::chrono::steady_clock;
  Clock::time_point first{};
  for (;;) {
    int signal = 0;
    if (sigwait(&waited_, &signal) != 0) continue;
    if (finished_.load()) return;
    if (signal == SIGUSR1) continue;
    if (source_.stop_requested()) {
      // One Ctrl-C may arrive twice: for the process, and for its group.
      if (Clock::now() - first > std::chrono::milliseconds(300)) _exit(128 + signal);
      continue;
    }
    signal_.store(signal);
    first = Clock::now();
    source_.request_stop();
  }
}

}  // namespace molmo_tool
