// SPDX-License-Identifier: Apache-2.0
// How a weight is stored. The whole contract of a WeightFormat:
//
//   F::name              "bf16"
//   F::block             consecutive weights of a row that are stored together (1 for plain numbers)
//   F::bytes             bytes of a block
//   F::decode(p, out)    block weights as floats
// A format that only has these works at once in every op, whoever wrote it: FormatTraits is all that an op asks for.
// Two kinds have fast kernels: plain numbers (F::element names their type, which kernels load straight into SIMD
// registers) and blocks of one f16 scale and integer codes (F::bits says how wide: q8.hpp, q4.hpp). How the rows of a
// matrix lie in memory is another question: panels.hpp.
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

/// The same at run time: what an op needs to read weights in a format that it has never heard of.
struct FormatTraits {
  const char* name;
  index_t block, bytes;
  void (*decode)(const std::byte* p, float* out);
};

/// Blocks divide so many weights: what is decoded at once, by kernels and plain loops alike.
inline constexpr index_t decoded_at_once = 256;

inline namespace MOLMO_ISA {

template <WeightFormat F>
inline constexpr FormatTraits format_traits{F::name, F::block, F::bytes,
                                            [](const std::byte* p, float* out) { F::decode(p, out); }};

}  // inline namespace MOLMO_ISA

/// Plain numbers.
template <class F>
concept PlainFormat = WeightFormat<F> && requires {
  typename F::element;
};

/// Blocks of 32 weights: an f16 scale, then 32 codes of F::bits bits.
template <class F>
concept BlockFormat = WeightFormat<F> && requires(const float* in, std::byte* p) {
  { F::bits } -> std::convertible_to<int>;
  F::encode(in, p);
} && F::block == 32 && F::bytes == 2 + 4 * F::bits;

/// Blocks that `weights` weights of one row take; the last one may be filled up with zeros.
template <WeightFormat F>
[[nodiscard]] constexpr index_t format_blocks(index_t weights) {
  return (weights + F::block - 1) / F::block;
}
/// Bytes of `weights` weights of one row.
template <WeightFormat F>
[[nodiscard]] constexpr index_t format_bytes(index_t weights) {
  return format_blocks<F>(weights) * F::bytes;
}

}  // namespace molmo::inline v0
