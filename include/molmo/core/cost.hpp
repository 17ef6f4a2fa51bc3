// SPDX-License-Identifier: Apache-2.0
// Cost: what a calculation takes of a machine at least. The same two numbers for an expression (expr/cost.hpp), a
// product (matmul_cost) and every other op (ops/costs.hpp), so that a benchmark can say what share of a limit it
// reached.
#pragma once

namespace molmo::inline v0 {

/// Floating-point operations, and bytes that must move when nothing is cached.
struct Cost {
  double flops = 0, bytes = 0;

  /// One after the other.
  friend constexpr Cost operator+(const Cost& a, const Cost& b) { return {a.flops + b.flops, a.bytes + b.bytes}; }
};

/// Operations that a function of mathematics counts as: what its SIMD registers do for one number, rounded to tens
/// (backend/lanes_*.hpp; a multiply-add is two). On other machines it takes more or fewer.
namespace flops_of {
inline constexpr int exp = 20, exp2 = 20, expm1 = 30, log = 30, log1p = 40, tanh = 40, erf = 60, sin = 50, cos = 50,
                     pow = 100;
}  // namespace flops_of

}  // namespace molmo::inline v0
