// SPDX-License-Identifier: Apache-2.0
// Every message of a mistake in sizes or kinds that the compiler reports: one named struct per mistake, whose template
// arguments are the two sizes, and one static_assert that says what is required and where to look.
//
// (A failed `requires` would be shorter to write, but nvcc then prints no reason at all.)
#pragma once

#include <molmo/core/shape.hpp>

namespace molmo::inline v0 {
namespace detail {

template <class...>
inline constexpr bool always_false = false;

}  // namespace detail

/// Two operands of a pointwise expression whose shapes do not broadcast.
template <class Left, class Right>
struct shape_mismatch {
  static_assert(
      detail::always_false<Left, Right>,
      "molmo: operand shapes differ; required: equal shapes, a scalar, a row Shape<cols>, or a column Shape<dyn>; "
      "see the two shapes in shape_mismatch<...>");
};

/// An assignment whose two sides have different shapes.
template <class Target, class Expression>
struct assign_mismatch {
  static_assert(detail::always_false<Target, Expression>,
                "molmo: the target of on(ctx, y) = ... has another shape than the expression; see "
                "assign_mismatch<target, expression>");
};

/// matmul(x, w): x is [.., K], w is [N, K] as a linear layer stores it.
template <auto InputWidth, auto WeightWidth>
struct matmul_inner_mismatch {
  static_assert(InputWidth == WeightWidth,
                "molmo: matmul(x, w) needs the last axis of x to equal the last axis of w ([out, in] order); "
                "see matmul_inner_mismatch<x width, w width>");
};

/// on(ctx, y) = matmul(x, w): y is [.., N].
template <auto OutputWidth, auto WeightRows>
struct matmul_output_mismatch {
  static_assert(OutputWidth == WeightRows,
                "molmo: the target of matmul(x, w) needs as many columns as w has rows; "
                "see matmul_output_mismatch<target width, w rows>");
};

/// on(ctx, y) = softmax(x), rms_norm(x, ...), layer_norm(x, ...): y is shaped like x.
template <class Target, class Operand>
struct statement_mismatch {
  static_assert(
      detail::always_false<Target, Operand>,
      "molmo: the target of a softmax or a norm is shaped like its operand; see statement_mismatch<target, operand>");
};

/// on(ctx, y) = token_sum(e), token_mean(e), ...: y is shaped like one token of e.
template <class Target, class Operand>
struct token_mismatch {
  static_assert(detail::always_false<Target, Operand>,
                "molmo: the target of token_sum, token_mean, ... is shaped like one token of its operand: [n, D] gives "
                "[D]; see token_mismatch<target, operand>");
};

}  // namespace molmo::inline v0
