// SPDX-License-Identifier: Apache-2.0
// Scratch: the memory that kernels need for a moment, a piece for each thread of a backend, so that no kernel needs
// more than a few dozen KB of stack, whoever's threads it runs in.
//
// The memory belongs to the backend and is shared by its copies; a call borrows all pieces at once. It is made by the
// first call that needs it, or by make_session(), and again only where several calls run at the same time.
#pragma once

#include <molmo/backend/pool.hpp>
#include <molmo/core/memory.hpp>
#include <molmo/core/shape.hpp>

#include <utility>

namespace molmo::inline v0 {

class Scratch {
 public:
  /// Bytes of the piece of one thread.
  static constexpr std::size_t piece_bytes = std::size_t{240} * 1024;

  /// What a call has borrowed: nothing where it asked for nothing, or where there was no memory.
  class Loan {
   public:
    Loan() = default;
    [[nodiscard]] explicit operator bool() const { return first_ != nullptr; }
    /// The piece of a thread, 64-byte aligned, or nullptr.
    [[nodiscard]] std::byte* operator[](int worker) const {
      return first_ == nullptr ? nullptr : first_ + static_cast<std::size_t>(worker) * piece_bytes;
    }

   private:
    friend Scratch;
    MOLMO_NOINLINE Loan(Pool<AlignedBytes>& pool, int workers) : bytes_(pool) {
      if (!bytes_) return;
      const auto count = static_cast<std::size_t>(workers);
      if (bytes_->size() < count * piece_bytes) *bytes_ = AlignedBytes::zeroed(count, piece_bytes);
      first_ = bytes_->data();
    }

    Pool<AlignedBytes>::Loan bytes_;
    std::byte* first_ = nullptr;
  };

  /// Pieces for `workers` threads; none unless `needed`.
  [[nodiscard]] Loan lend(int workers, bool needed = true) { return needed ? Loan(pool_, workers) : Loan(); }

 private:
  Pool<AlignedBytes> pool_;
};

}  // namespace molmo::inline v0
