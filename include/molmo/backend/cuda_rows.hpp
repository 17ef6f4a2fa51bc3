// SPDX-License-Identifier: Apache-2.0
// The rows of a GPU pass in memory: whether all of them begin where a thread can read 16 bytes at once, and where a row
// of the target lies. Host code and bodies of kernels; tests/backend/cuda_walk_test.cpp runs both.
#pragma once

#include <molmo/backend/cuda_pack.hpp>
#include <molmo/expr/target_rows.hpp>

#include <cstdint>

namespace molmo::inline v0 {

/// What is walked over.
struct Walk {
  index_t rows = 0, cols = 0;
  index_t packed = 0;  ///< columns that are read in packs, a multiple of their size
};

namespace detail {

constexpr bool on_chunk(std::uintptr_t address) { return address % sizeof(Chunk) == 0; }

// True where the view, and each of its rows that does not follow the one before, begins at a multiple of 16 bytes.
template <class T, class S, class M, index_t R, index_t O>
bool rows_on_chunks(const View<T, S, M, R, O>& v) {
  bool all = on_chunk(reinterpret_cast<std::uintptr_t>(v.data));
  if constexpr (!View<T, S, M, R, O>::dense)
    all = all && on_chunk(static_cast<std::uintptr_t>(v.outer()) * sizeof(T)) &&
          (rows_per_entry<S> == 1 || on_chunk(static_cast<std::uintptr_t>(v.stride()) * sizeof(T)));
  return all;
}

// An operand that is read in packs: neighbours in a row of the walk are neighbours in memory.
template <class L, class Root>
constexpr bool read_in_packs() {
  if constexpr (requires { L::moves; } || L::shape::rank == 0)
    return false;
  else if constexpr (std::is_same_v<typename L::shape, Root>)
    return true;
  else
    return rows_beside(lattice<typename L::shape>(1, 1), walk_axes<Root>).across != 0;
}

// True where y and every operand that is read in packs begin at a multiple of 16 bytes; Root is the shape of the walk.
template <class Root, class T, class E>
bool on_chunks(const T* y, const E& e) {
  bool all = on_chunk(reinterpret_cast<std::uintptr_t>(y));
  e.each_leaf([&](const auto& operand) {
    if constexpr (read_in_packs<std::remove_cvref_t<decltype(operand)>, Root>())
      all = all && rows_on_chunks(operand.view);
  });
  return all;
}

template <class T>
MOLMO_INLINE T* row_of(const TargetRows<T>& y, const Walk&, index_t r) {
  return y.row(r);
}
template <class T>
MOLMO_INLINE T* row_of(T* y, const Walk& w, index_t r) {
  return y + r * w.cols;
}

}  // namespace detail

}  // namespace molmo::inline v0
