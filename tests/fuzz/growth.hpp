// SPDX-License-Identifier: Apache-2.0
// Growth: no input may cost memory or time out of proportion to its size.
//
//   const molmo_fuzz::Growth growth(size);    at the top of a harness: checks at the end of the scope
// Counts what operator new gives and what is given back, and the processor's time. Include it in exactly one source
// file of a harness: it replaces the global operators.
#pragma once

#include "fuzz.hpp"

#include <malloc.h>

#include <atomic>
#include <ctime>
#include <new>

namespace molmo_fuzz {

inline std::atomic<std::size_t> bytes_live{0}, bytes_most{0};

inline void* counted(std::size_t bytes, std::size_t alignment) noexcept {
  bytes = bytes == 0 ? 1 : bytes;
  void* p = alignment == 0 ? std::malloc(bytes)
                           : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (p == nullptr) return nullptr;
  const std::size_t now = bytes_live += malloc_usable_size(p);
  if (now > bytes_most.load(std::memory_order_relaxed)) bytes_most = now;
  return p;
}
inline void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* p = counted(bytes, alignment)) return p;
  throw std::bad_alloc();
}
inline void uncounted(void* p) noexcept {
  if (p != nullptr) bytes_live -= malloc_usable_size(p);
  std::free(p);
}

/// From its making to its end: at most 4 MiB and 32 bytes of memory for each byte of the input, and 2 seconds.
/// Sanitizers make that some ten times what is needed; what explodes needs a thousand times more.
class Growth {
 public:
  explicit Growth(std::size_t input) : input_(input), before_(bytes_live), start_(std::clock()) {
    bytes_most = before_;
  }
  Growth(const Growth&) = delete;
  Growth& operator=(const Growth&) = delete;
  ~Growth() {
    const std::size_t grown = bytes_most - before_;
    const double seconds = static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC;
    if (grown > (std::size_t{4} << 20) + 32 * input_ || seconds > 2)
      std::fprintf(stderr, "%zu bytes of memory and %.3f s for %zu bytes of input\n", grown, seconds, input_);
    expect(grown <= (std::size_t{4} << 20) + 32 * input_, "memory is in proportion to the input");
    expect(seconds <= 2, "time is in proportion to the input");
  }

 private:
  std::size_t input_, before_;
  std::clock_t start_;
};

}  // namespace molmo_fuzz

// The array forms call these.
void* operator new(std::size_t n) { return molmo_fuzz::counted_or_throw(n, 0); }
void* operator new(std::size_t n, std::align_val_t a) {
  return molmo_fuzz::counted_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return molmo_fuzz::counted(n, 0); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return molmo_fuzz::counted(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { molmo_fuzz::uncounted(p); }
void operator delete(void* p, std::size_t) noexcept { molmo_fuzz::uncounted(p); }
void operator delete(void* p, std::align_val_t) noexcept { molmo_fuzz::uncounted(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { molmo_fuzz::uncounted(p); }
