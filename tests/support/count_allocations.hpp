// SPDX-License-Identifier: Apache-2.0
// Counts every allocation of this program, on all threads, to prove that a piece of code makes none: by operator new
// everywhere, and by malloc, calloc, realloc and aligned_alloc with glibc (sanitizers bring their own).
//
//   molmo_test::AllocationCount made;
//   session.step(token);
//   REQUIRE(made.count() == 0);
// Include it in exactly one source file of a test program: it replaces the global operators new and delete.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MOLMO_TEST_OTHER_MALLOC 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOLMO_TEST_OTHER_MALLOC 1
#endif
#if defined(__GLIBC__) && !defined(MOLMO_TEST_OTHER_MALLOC)
#define MOLMO_TEST_COUNTS_MALLOC 1
extern "C" {  // glibc's own, under the names that are left when a program defines malloc itself
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}
#else
#define MOLMO_TEST_COUNTS_MALLOC 0
#endif

namespace molmo_test {

inline std::atomic<std::size_t> allocations_ever{0};
/// The n-th allocation from now fails with std::bad_alloc (0: none fails). For failure sweeps.
inline std::atomic<std::size_t> allocations_until_failure{0};
/// And so do all that follow.
inline std::atomic<bool> allocations_fail_for_good{false};

/// Allocations since it was made.
class AllocationCount {
 public:
  AllocationCount() : start_(allocations_ever.load()) {}
  [[nodiscard]] std::size_t count() const { return allocations_ever.load() - start_; }

 private:
  std::size_t start_;
};

/// Makes the n-th allocation by operator new from now fail, while it lives, and perhaps all that follow.
class FailAllocation {
 public:
  explicit FailAllocation(std::size_t n, bool for_good = false) {
    allocations_fail_for_good.store(for_good);
    allocations_until_failure.store(n);
  }
  FailAllocation(const FailAllocation&) = delete;
  FailAllocation& operator=(const FailAllocation&) = delete;
  ~FailAllocation() { allocations_until_failure.store(0); }
  /// Has it happened?
  [[nodiscard]] static bool happened() {
    return allocations_until_failure.load() == (allocations_fail_for_good.load() ? 1u : 0u);
  }
};

inline void* counted_allocation(std::size_t bytes, std::size_t alignment) noexcept {
  allocations_ever.fetch_add(1, std::memory_order_relaxed);
  std::size_t left = allocations_until_failure.load(std::memory_order_relaxed);
  while (left != 0) {
    if (left == 1 && allocations_fail_for_good.load(std::memory_order_relaxed)) return nullptr;
    if (allocations_until_failure.compare_exchange_weak(left, left - 1)) {
      if (left == 1) return nullptr;
      break;
    }
  }
  if (bytes == 0) bytes = 1;
#if MOLMO_TEST_COUNTS_MALLOC
  return alignment <= alignof(std::max_align_t) ? __libc_malloc(bytes) : __libc_memalign(alignment, bytes);
#else
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#endif
}

inline void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* p = counted_allocation(bytes, alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace molmo_test

// The array forms and the sized deletes of the standard library call these. (Deletes are not inlined: g++ would take
// them for a free of what new returned.)
void* operator new(std::size_t n) { return molmo_test::counted_or_throw(n, 0); }
void* operator new(std::size_t n, std::align_val_t a) {
  return molmo_test::counted_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return molmo_test::counted_allocation(n, 0); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return molmo_test::counted_allocation(n, static_cast<std::size_t>(a));
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::size_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#if MOLMO_TEST_COUNTS_MALLOC
extern "C" {
void* malloc(std::size_t n) noexcept {
  molmo_test::allocations_ever.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(n);
}
void* calloc(std::size_t count, std::size_t each) noexcept {
  molmo_test::allocations_ever.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, each);
}
void* realloc(void* p, std::size_t n) noexcept {
  molmo_test::allocations_ever.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  molmo_test::allocations_ever.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, n);
}
}
#endif
