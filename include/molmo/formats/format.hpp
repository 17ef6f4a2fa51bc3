// SPDX-License-Identifier: Apache-2.0
// How a weight is stored. The whole contract of a WeightFormat:
//
//   F::name              "bf16"
//   F::block             consecutive weights of a row that are stored together (1 for plain numbers)
//   F::bytes             bytes of a block
//   F::decode(p, out)    block weights as floats
// A row of K weights takes K / block * bytes; K must be a multiple of block. A format that only has these works at once
// in every op; where F::element names a plain number type, kernels load it straight into SIMD registers.
#pragma once

#include <molmo/core/dtype.hpp>
#include <molmo/core/shape.hpp>

#include <concepts>
#include <cstddef>

namespace molmo::inline v0 {

template <class F>
concept WeightFormat = requires(const std::byte* p, float* out) {
  { F::name } -> std::convertible_to<const char*>;
  { F::block } -> std::convertible_to<index_t>;
  { F::bytes } -> std::convertible_to<index_t>;
  F::decode(p, out);
};

/// Bytes of `weights` weights (whole blocks).
template <WeightFormat F>
[[nodiscard]] constexpr index_t format_bytes(index_t weights) {
  return weights / F::block * F::bytes;
}

}  // namespace molmo::inline v0
