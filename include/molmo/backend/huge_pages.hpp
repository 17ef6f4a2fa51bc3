// SPDX-License-Identifier: Apache-2.0
// huge_pages(): memory for weights, in pages of 2 MB where the system has them.
//
// Ordinary pages are of 4 KB, and a prefetcher stops at the end of each: a table that is read again and again is read
// up to twice as fast from huge ones. The pages are zero when they come and cost nothing before they are touched.
// Blocks below `least` stay on the heap, where a huge page would be mostly empty. On Linux a wish (madvise), which the
// system may refuse without harm; elsewhere this is the heap, aligned.
#pragma once

#include <molmo/core/memory.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace molmo::inline v0 {

class HugePages final : public MemoryResource {
 public:
  static constexpr std::size_t page = std::size_t{2} << 20;
  static constexpr std::size_t least = page / 4;

#if defined(__linux__)
  void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
    if (bytes < least || alignment > page) return allocate_on_heap(bytes, alignment);
    const std::size_t whole = rounded(bytes);
    // One page more than asked for, of which the parts before and behind the first boundary go back.
    if (whole < bytes || whole + page < whole) return nullptr;
    void* got = ::mmap(nullptr, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED) return nullptr;
    std::byte* const begin = static_cast<std::byte*>(got);
    const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page;
    if (before > 0) ::munmap(begin, before);
    ::munmap(begin + before + whole, page - before);
#if defined(MADV_HUGEPAGE)
    ::madvise(begin + before, whole, MADV_HUGEPAGE);
#endif
    return begin + before;
  }
  void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept override {
    if (bytes < least || alignment > page)
      ::operator delete (p, std::align_val_t{alignment});
    else
      ::munmap(p, rounded(bytes));
  }
#else
  void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
    return allocate_on_heap(bytes, alignment);
  }
  void deallocate(void* p, std::size_t, std::size_t alignment) noexcept override {
    ::operator delete (p, std::align_val_t{alignment});
  }
#endif
  [[nodiscard]] bool gives_zeroes() const noexcept override { return true; }

 private:
  static constexpr std::size_t rounded(std::size_t bytes) { return (bytes + page - 1) / page * page; }
  static void* allocate_on_heap(std::size_t bytes, std::size_t alignment) noexcept {
    void* p = ::operator new (bytes, std::align_val_t{alignment}, std::nothrow);
    if (p != nullptr) std::memset(p, 0, bytes);
    return p;
  }
};

/// The one of this program; it holds nothing, and serves to the last line of it, destructors of globals included.
[[nodiscard]] inline HugePages& huge_pages() {
  static_assert(std::is_trivially_destructible_v<HugePages>, "molmo: globals may free memory after statics are gone");
  static HugePages pages;
  return pages;
}

}  // namespace molmo::inline v0
