// SPDX-License-Identifier: Apache-2.0
// Do two pieces of memory overlap? What a statement asks of its target and its operands before it writes anything.
#pragma once

#include <molmo/core/contract.hpp>
#include <molmo/core/shape.hpp>

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

/// Throws contract_error where y, `bytes` bytes like x, overlaps x and is not x: what a statement of whole rows needs.
MOLMO_NOINLINE inline void check_rows(const void* y, const void* x, index_t bytes) {
  expects(x == y || apart(Extent{y, bytes}, Extent{x, bytes}),
          "molmo: on(ctx, y) = softmax(x), rms_norm(x, ...) or layer_norm(x, ...): y overlaps other rows of x; write "
          "to x itself or to another tensor");
}

}  // namespace molmo::inline v0::detail
