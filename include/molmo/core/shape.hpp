// SPDX-License-Identifier: Apache-2.0
// Shape<D...>: the sizes of a tensor as a type. One axis may be `dyn`, the first: tokens (batch x positions).
//
//   Shape<4096>            a vector                    rows 1,      cols 4096
//   Shape<dyn, 4096>       activations of n tokens     rows n,      cols 4096
//   Shape<11008, 4096>     a weight matrix             rows 11008,  cols 4096
//   Shape<>                a scalar
// Every shape is read as rows x cols, the last axis being the columns: that is how expressions walk over it.
#pragma once

#include <molmo/core/platform.hpp>

#include <cstddef>
#include <type_traits>

namespace molmo::inline v0 {

/// Sizes and positions: signed, so that differences are safe.
using index_t = std::ptrdiff_t;
static_assert(sizeof(index_t) == 8, "molmo: sizes of models need 64 bits; compile for a 64-bit machine");

/// The token axis: known at run time only.
inline constexpr index_t dyn = -1;

template <index_t... D>
struct Shape;

/// A scalar.
template <>
struct Shape<> {
  static constexpr int rank = 0;
  static constexpr bool dynamic = false;
  static constexpr index_t cols = 1;
  static constexpr index_t static_rows = 1;
};

/// Sizes, slowest axis first. Only the first may be `dyn`.
template <index_t First, index_t... Rest>
struct Shape<First, Rest...> {
  static_assert(First == dyn || First > 0, "molmo: a size must be positive, or molmo::dyn for the token axis");
  static_assert(((Rest > 0) && ...),
                "molmo: only the first axis (tokens) may be molmo::dyn; the others are positive sizes");

  static constexpr int rank = 1 + static_cast<int>(sizeof...(Rest));
  static constexpr bool dynamic = First == dyn;
  /// Size of the last axis.
  static constexpr index_t cols = [] {
    index_t last = First;
    ((last = Rest), ...);
    return last == dyn ? index_t{1} : last;
  }();
  /// Product of all axes but the last, the token axis counted as 1.
  static constexpr index_t static_rows = ((First == dyn ? index_t{1} : First) * ... * Rest) / cols;
};

template <class T>
inline constexpr bool is_shape = false;
template <index_t... D>
inline constexpr bool is_shape<Shape<D...>> = true;

/// Elements of one token (of the whole tensor where there is no token axis).
template <class S>
inline constexpr index_t elements_per_token = S::static_rows* S::cols;

}  // namespace molmo::inline v0
