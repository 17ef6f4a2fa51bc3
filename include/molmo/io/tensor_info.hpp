// SPDX-License-Identifier: Apache-2.0
// TensorInfo: one stored tensor, as a name, an element type, a shape and bytes. No format of files and no JSON in here.
#pragma once

#include <molmo/core/text.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace molmo::inline v0 {

/// What a stored element is. formats/ says which of them a model can calculate with.
enum class DType : std::uint8_t {
  boolean,
  u8,
  i8,
  f8_e4m3,
  f8_e5m2,
  u16,
  i16,
  f16,
  bf16,
  u32,
  i32,
  f32,
  u64,
  i64,
  f64
};

namespace detail {
struct DTypeRow {
  std::string_view name;
  std::uint8_t bytes;
};
inline constexpr std::array<DTypeRow, 15> dtype_table{{{"BOOL", 1},
                                                       {"U8", 1},
                                                       {"I8", 1},
                                                       {"F8_E4M3", 1},
                                                       {"F8_E5M2", 1},
                                                       {"U16", 2},
                                                       {"I16", 2},
                                                       {"F16", 2},
                                                       {"BF16", 2},
                                                       {"U32", 4},
                                                       {"I32", 4},
                                                       {"F32", 4},
                                                       {"U64", 8},
                                                       {"I64", 8},
                                                       {"F64", 8}}};
}  // namespace detail

/// The name in the file: "F32", "BF16" ...
[[nodiscard]] constexpr std::string_view name_of(DType d) {
  return detail::dtype_table[static_cast<std::size_t>(d)].name;
}
[[nodiscard]] constexpr std::uint64_t bytes_per_element(DType d) {
  return detail::dtype_table[static_cast<std::size_t>(d)].bytes;
}

/// One tensor of a file: views into the table and into the file's bytes.
struct TensorInfo {
  std::string_view name;
  DType dtype = DType::f32;
  std::span<const std::uint64_t> shape;  ///< slowest axis first; empty for a scalar
  std::span<const std::byte> bytes;      ///< not aligned

  [[nodiscard]] std::uint64_t elements() const { return bytes.size() / bytes_per_element(dtype); }
};

/// "[50304, 2048]": a shape for messages.
[[nodiscard]] inline std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += text(i ? ", " : "", shape[i]);
  return out + "]";
}

}  // namespace molmo::inline v0
