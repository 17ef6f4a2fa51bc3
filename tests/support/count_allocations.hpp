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

namespace molmo_test {

inline std::atomic<std::size_t> allocations_ever{0};
/// The n-th allocation from now fails with std::bad_alloc (0: none fails). For failure sweeps.
inline std::atomic<std::size_t> allocations_until_failure{0};

/// Allocations since it was made.
class AllocationCount {
 public:
  AllocationCount() : start_(allocations_ever.load()) {}
  [[nodiscard]] std::size_t count() const { return allocations_ever.load() - start_; }

 private:
  std::size_t start_;
};

/// Makes the n-th allocation from now fail, while it lives.
class FailAllocation {
 public:
  explicit FailAllocation(std::size_t n) { allocations_until_failure.store(n); }
  FailAllocation(const FailAllocation&) = delete;
  FailAllocation& operator=(const FailAllocation&) = delete;
  ~FailAllocation() { allocations_until_failure.store(0); }
};

inline void* counted_allocation(std::size_t bytes, std::size_t alignment) noexcept {
  allocations_ever.fetch_add(1, std::memory_order_relaxed);
  std::size_t left = allocations_until_failure.load(std::memory_order_relaxed);
  while (left != 0)
    if (allocations_until_failure.compare_exchange_weak(left, left - 1)) {
      if (left == 1) return nullptr;
      break;
    }
  if (bytes == 0) bytes = 1;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

inline void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* p = counted_allocation(bytes, alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace molmo_test

// The array forms and the sized deletes of the standard library call these.
void* operator new(std::size_t n) { return molmo_test::counted_or_throw(n, 0); }
void* operator new(std::size_t n, std::align_val_t a) {
  return molmo_test::counted_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return molmo_test::counted_allocation(n, 0); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return molmo_test::counted_allocation(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
