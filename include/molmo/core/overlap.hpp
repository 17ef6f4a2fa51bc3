// SPDX-License-Identifier: Apache-2.0
// Do two pieces of memory overlap? What a statement asks of its target and its operands before it writes anything.
//
// Rows that lie apart may interleave: columns<0, 4>(x) and columns<4, 4>(x) share no element. Pieces of a view (entries
// of its first axis, or rows) begin at multiples of a grid g. So pieces of two views can meet only where a multiple of
// g is less than a piece apart from the distance of the first ones. The answer is never "apart" where they meet.
#pragma once

#include <molmo/core/contract.hpp>
#include <molmo/core/view.hpp>

#include <cstdint>

namespace molmo::inline v0::detail {

/// `bytes` bytes of memory.
struct Extent {
  const void* first = nullptr;
  index_t bytes = 0;
};

/// Rows of `width` elements of `size` bytes each, `stride` elements from one row to the next.
[[nodiscard]] inline Extent extent_of_rows(const void* first, index_t rows, index_t width, index_t stride,
                                           std::size_t size) {
  const index_t elements = rows > 0 && width > 0 ? (rows - 1) * stride + width : index_t{0};
  return {first, elements * static_cast<index_t>(size)};
}

/// No byte is in both.
[[nodiscard]] inline bool apart(const Extent& a, const Extent& b) {
  const auto a0 = reinterpret_cast<std::uintptr_t>(a.first), b0 = reinterpret_cast<std::uintptr_t>(b.first);
  return a.bytes <= 0 || b.bytes <= 0 || a0 + static_cast<std::uintptr_t>(a.bytes) <= b0 ||
         b0 + static_cast<std::uintptr_t>(b.bytes) <= a0;
}

/// Pieces of `bytes` bytes at distances that are multiples of `grid` bytes (0: one piece).
struct Pieces {
  index_t bytes = 0, grid = 0;
};
/// What lies within `all`: entries of the first axis, and the rows under them.
struct Footprint {
  Extent all;
  Pieces entries, rows;
};

inline namespace MOLMO_ISA {

[[nodiscard]] constexpr index_t common_divisor(index_t a, index_t b) {
  while (b != 0) {
    const index_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/// No piece of one meets a piece of the other, the first of b being `distance` bytes after the first of a.
[[nodiscard]] constexpr bool pieces_apart(const Pieces& a, const Pieces& b, index_t distance) {
  const index_t low = distance - a.bytes, high = distance + b.bytes;  // they meet at multiples between these
  const index_t grid = common_divisor(a.grid, b.grid);
  if (grid == 0) return low >= 0 || high <= 0;
  const index_t rest = (low % grid + grid) % grid;
  return low - rest + grid >= high;
}

/// No byte is in a row of both, as far as extents and grids tell.
[[nodiscard]] MOLMO_NOINLINE inline bool apart(const Footprint& a, const Footprint& b) {
  if (apart(a.all, b.all)) return true;
  const auto a0 = reinterpret_cast<std::uintptr_t>(a.all.first), b0 = reinterpret_cast<std::uintptr_t>(b.all.first);
  const auto distance = static_cast<index_t>(b0 - a0);
  return pieces_apart(a.entries, b.entries, distance) || pieces_apart(a.rows, b.rows, distance);
}

/// Elements of T: `entries` entries, `outer` elements apart, each of `rows` rows of `width`, `stride` elements apart.
template <class T>
[[nodiscard]] Footprint footprint(const T* first, index_t entries, index_t outer, index_t rows, index_t stride,
                                  index_t width) {
  constexpr auto bytes = static_cast<index_t>(sizeof(T));
  const index_t to_entry = entries > 1 ? outer * bytes : 0, to_row = rows > 1 ? stride * bytes : 0;
  const index_t row = width * bytes, entry = (rows - 1) * to_row + row;
  return {{first, entries > 0 ? (entries - 1) * to_entry + entry : 0},
          {entry, to_entry},
          {row, common_divisor(to_entry, to_row)}};
}
/// Where the elements of a view lie.
template <class T, class S, class M, index_t R, index_t O>
[[nodiscard]] Footprint footprint(const View<T, S, M, R, O>& v) {
  constexpr index_t each = rows_per_entry<S>;
  return footprint(v.data, v.rows() / each, v.outer(), each, v.stride(), S::cols);
}

/// No element of one view shares a byte with an element of the other.
template <class T, class S, class M, index_t R, index_t O, class U, class P, class N, index_t Q, index_t J>
[[nodiscard]] bool apart(const View<T, S, M, R, O>& a, const View<U, P, N, Q, J>& b) {
  return apart(footprint(a), footprint(b));
}

}  // namespace MOLMO_ISA

/// The same elements, whatever their type: index i of one is index i of the other.
template <class A, class B>
[[nodiscard]] bool same_place(const A& a, const B& b) {
  return std::is_same_v<typename A::shape, typename B::shape> && sizeof(*a.data) == sizeof(*b.data) &&
         a.stride() == b.stride() && a.outer() == b.outer() &&
         static_cast<const void*>(a.data) == static_cast<const void*>(b.data);
}

/// No row of a view that is written overlaps another of its rows.
template <class T, class S, class M, index_t R, index_t O>
[[nodiscard]] bool rows_apart(const View<T, S, M, R, O>& y) {
  if constexpr (View<T, S, M, R, O>::dense) {
    return true;
  } else {
    constexpr index_t each = rows_per_entry<S>;
    return (each == 1 || y.stride() >= S::cols) && (y.rows() <= each || y.outer() >= (each - 1) * y.stride() + S::cols);
  }
}

/// Throws contract_error where y, `bytes` bytes like x, overlaps x and is not x: what a statement of whole rows needs.
MOLMO_NOINLINE inline void check_rows(const void* y, const void* x, index_t bytes) {
  expects(x == y || apart(Extent{y, bytes}, Extent{x, bytes}),
          "molmo: on(ctx, y) = softmax(x), rms_norm(x, ...) or layer_norm(x, ...): y overlaps other rows of x; write "
          "to x itself or to another tensor");
}

}  // namespace molmo::inline v0::detail
