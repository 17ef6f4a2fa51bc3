// SPDX-License-Identifier: Apache-2.0
// Aligned memory: AlignedBytes owns one block; Arena hands out pieces of one block that was allocated once.
//
// Both take an optional MemoryResource, so that a program can count, pool or refuse allocations. Nothing here throws:
// a failed allocation is a null pointer, which the callers turn into errc::out_of_memory.
#pragma once

#include <molmo/core/platform.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#if MOLMO_EXCEPTIONS
#include <stdexcept>
#endif

namespace molmo::inline v0 {

inline constexpr std::size_t cache_line = 64;

/// Where memory comes from. Derive a final class from it to supply your own; it must outlive what was allocated from
/// it.
class MemoryResource {
 public:
  /// `bytes` bytes aligned to `alignment`, or nullptr.
  virtual void* allocate(std::size_t bytes, std::size_t alignment) noexcept = 0;
  virtual void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept = 0;
  /// Whether the bytes that it hands out are zero already. Then nobody zeroes them again: that would touch every page.
  [[nodiscard]] virtual bool gives_zeroes() const noexcept { return false; }

 protected:
  // Nobody owns one through this class. Not virtual, so that the destructor of one without members does nothing, and it
  // serves even what is freed after it: a global that was made before the static of huge_pages() gives its memory back
  // later.
  ~MemoryResource() = default;
};

/// One block of zeroed, 64-byte aligned bytes.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  AlignedBytes(AlignedBytes&& other) noexcept
      : p_(other.p_), block_(other.block_), size_(other.size_), from_(other.from_) {
    other.p_ = nullptr;
  }
  AlignedBytes& operator=(AlignedBytes&& other) noexcept {
    if (this != &other) {
      release();
      p_ = other.p_, block_ = other.block_, size_ = other.size_, from_ = other.from_;
      other.p_ = nullptr;
    }
    return *this;
  }
  ~AlignedBytes() { release(); }

  /// count * size_each bytes, all zero; data() is null when there is no memory or the product overflows.
  static AlignedBytes zeroed(std::size_t count, std::size_t size_each, MemoryResource* from = nullptr) {
    AlignedBytes out;
    if (size_each != 0 && count > ((std::numeric_limits<std::size_t>::max)() / 2) / size_each) return out;
    const std::size_t bytes = count * size_each;
    const std::size_t asked = bytes == 0 ? cache_line : bytes;
    if (from != nullptr) {
      out.block_ = from->allocate(asked, cache_line);
      if (out.block_ == nullptr) return out;
      out.p_ = static_cast<std::byte*>(out.block_);
      if (!from->gives_zeroes()) std::memset(out.p_, 0, asked);
    } else {
      // calloc: the system's pages are zero already, so a large block is not touched before it is used.
      out.block_ = std::calloc(asked + cache_line, 1);
      if (out.block_ == nullptr) return out;
      const auto address = reinterpret_cast<std::uintptr_t>(out.block_);
      out.p_ = static_cast<std::byte*>(out.block_) + (cache_line - address % cache_line) % cache_line;
    }
    out.size_ = asked, out.from_ = from;
    return out;
  }

  [[nodiscard]] std::byte* data() { return p_; }
  [[nodiscard]] const std::byte* data() const { return p_; }
  [[nodiscard]] std::size_t size() const { return p_ ? size_ : 0; }

 private:
  void release() {
    if (p_ == nullptr) return;
    if (from_)
      from_->deallocate(block_, size_, cache_line);
    else
      std::free(block_);
  }

  std::byte* p_ = nullptr;  // the first aligned byte of block_
  void* block_ = nullptr;
  std::size_t size_ = 0;
  MemoryResource* from_ = nullptr;
};

/// Throws std::bad_alloc for a null pointer; where exceptions are disabled the callers use make() functions instead.
inline void require_memory(const void* p) {
  if (p != nullptr) return;
#if MOLMO_EXCEPTIONS
  throw std::bad_alloc();
#else
  __builtin_trap();
#endif
}

/// Pieces of one block, one after another, each 64-byte aligned; all freed together. First plan the size with
/// Arena::padded, then take() the same pieces.
class Arena {
 public:
  Arena() = default;
  explicit Arena(std::size_t bytes, MemoryResource* from = nullptr) : block_(AlignedBytes::zeroed(bytes, 1, from)) {}

  /// Bytes that `count` elements of T take in an arena.
  template <class T>
  static constexpr std::size_t padded(std::size_t count) {
    return (count * sizeof(T) + cache_line - 1) / cache_line * cache_line;
  }
  /// `count` zeroed elements, or nullptr when the arena is too small.
  template <class T>
  T* take(std::size_t count) {
    if (block_.data() == nullptr || count > block_.size() / sizeof(T)) return nullptr;  // also: padded() would overflow
    const std::size_t bytes = padded<T>(count);
    if (bytes > block_.size() - used_) return nullptr;
    T* out = reinterpret_cast<T*>(block_.data() + used_);
    used_ += bytes;
    return out;
  }
  [[nodiscard]] bool ok() const { return block_.data() != nullptr; }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t capacity() const { return block_.size(); }

 private:
  AlignedBytes block_;
  std::size_t used_ = 0;
};

}  // namespace molmo::inline v0
