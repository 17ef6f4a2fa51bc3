// SPDX-License-Identifier: Apache-2.0
// Runs a callable in a thread with a stack of a given size: what is larger than it dies there.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <type_traits>

namespace molmo_test {

/// The stack that docs/embed.md asks for. Sanitizers and unoptimised code use several times as much.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
inline constexpr std::size_t kernel_stack = 1024 * 1024;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
inline constexpr std::size_t kernel_stack = 1024 * 1024;
#else
inline constexpr std::size_t kernel_stack = 64 * 1024;
#endif
#else
inline constexpr std::size_t kernel_stack = 64 * 1024;
#endif

/// False where no such thread could be started.
template <class F>
[[nodiscard]] bool on_small_stack(std::size_t bytes, F&& f) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_t thread{};
  using Body = std::remove_reference_t<F>;
  const auto body = [](void* data) -> void* {
    (*static_cast<Body*>(data))();
    return nullptr;
  };
  const bool started =
      pthread_attr_setstacksize(&attributes, bytes) == 0 && pthread_create(&thread, &attributes, body, &f) == 0;
  (void)pthread_attr_destroy(&attributes);
  return started && pthread_join(thread, nullptr) == 0;
}

}  // namespace molmo_test
