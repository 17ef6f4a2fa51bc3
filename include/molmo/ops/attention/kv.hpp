// SPDX-License-Identifier: Apache-2.0
// How keys and values are kept: KvHeads is one layer's part of a KV cache, in one of four formats.
//
//   keys     k[kv head][position / 16][head_dim][16]   16 positions side by side: a register holds one element of each
//   values   v[kv head][position][head_dim]            row after row; heads of 8 and of 16 elements lie as keys do
//   q8       int8 codes, and one f32 scale per position and kv head, for keys and for values: x[i] = scale * code[i]
// There is room for a multiple of 16 positions. Behind the last position that was stored there may be anything: kernels
// may read it, but their results do not depend on it. The same holds for up to 15 numbers behind the last value.
#pragma once

#include <molmo/core/dtype.hpp>
#include <molmo/core/shape.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace molmo::inline v0 {

/// The number format of a KV cache. f16 holds up to 65504; q8 is wrong by at most 1/254 of a head's largest element.
enum class KvFormat : std::uint8_t { f32, f16, bf16, q8 };

/// Positions that lie side by side in a panel of keys.
inline constexpr index_t kv_panel = 16;

/// Calls f(E{}) with the element type of the format: float, f16, bf16, std::int8_t.
template <class F>
constexpr decltype(auto) with_kv_format(KvFormat format, F&& f) {
  switch (format) {
    case KvFormat::f16:
      return f(f16{});
    case KvFormat::bf16:
      return f(bf16{});
    case KvFormat::q8:
      return f(std::int8_t{});
    default:
      return f(float{});
  }
}
[[nodiscard]] constexpr index_t kv_element_bytes(KvFormat format) {
  return format == KvFormat::f32 ? 4 : format == KvFormat::q8 ? 1 : 2;
}
[[nodiscard]] constexpr const char* kv_format_name(KvFormat format) {
  constexpr const char* names[] = {"f32", "f16", "bf16", "q8"};
  return names[static_cast<int>(format)];
}
/// Room for at least `positions` positions.
[[nodiscard]] constexpr index_t kv_room(index_t positions) { return (positions + kv_panel - 1) / kv_panel * kv_panel; }
/// Do values of this size lie in panels, as keys do?
[[nodiscard]] constexpr bool values_in_panels(index_t head_dim) { return head_dim == 8 || head_dim == 16; }

inline namespace MOLMO_ISA {

/// Keys and values of one layer.
struct KvHeads {
  std::byte* k = nullptr;
  std::byte* v = nullptr;
  float* k_scales = nullptr;  ///< q8: [kv head][room]
  float* v_scales = nullptr;
  index_t room = 0;  ///< positions of a head, a multiple of 16
  index_t head_dim = 0;
  KvFormat format = KvFormat::f32;

  /// The keys of a head and the values, as elements of the format.
  template <class E>
  [[nodiscard]] E* keys(index_t head) const {
    return reinterpret_cast<E*>(k) + head * room * head_dim;
  }
  template <class E>
  [[nodiscard]] E* values(index_t head) const {
    return reinterpret_cast<E*>(v) + head * room * head_dim;
  }
  /// Where element i of a position lies in the keys of a head, and in its values.
  [[nodiscard]] index_t key_at(index_t position, index_t i) const {
    return position / kv_panel * kv_panel * head_dim + i * kv_panel + position % kv_panel;
  }
  [[nodiscard]] index_t value_at(index_t position, index_t i) const {
    return values_in_panels(head_dim) ? key_at(position, i) : position * head_dim + i;
  }
  /// Element i of a key and of a value, whatever the format: what the plain loops read.
  [[nodiscard]] float key(index_t head, index_t position, index_t i) const {
    return with_kv_format(format, [&]<class E>(E) {
      const float x = static_cast<float>(keys<E>(head)[key_at(position, i)]);
      return std::is_same_v<E, std::int8_t> ? x * k_scales[head * room + position] : x;
    });
  }
  [[nodiscard]] float value(index_t head, index_t position, index_t i) const {
    return with_kv_format(format, [&]<class E>(E) {
      const float x = static_cast<float>(values<E>(head)[value_at(position, i)]);
      return std::is_same_v<E, std::int8_t> ? x * v_scales[head * room + position] : x;
    });
  }
};

}  // inline namespace MOLMO_ISA

namespace detail::inline MOLMO_ISA {

/// Writes head_dim numbers to at(0), at(1) ... in the format E, and their scale where it has one. A head with a NaN or
/// an infinity gets a NaN scale, so that it is not lost.
template <class E, class At>
void store_head(const float* x, index_t head_dim, E* to, float* scale, At&& at) {
  if constexpr (std::is_same_v<E, std::int8_t>) {
    float largest = 0, not_finite = 0;
    for (index_t i = 0; i < head_dim; ++i) {
      const float magnitude = std::fabs(x[i]);
      largest = magnitude > largest ? magnitude : largest;
      not_finite += x[i] * 0.0f;
    }
    const bool finite = not_finite == 0;
    const float inverse = finite && largest > 1e-35f ? 127.0f / largest : 0.0f;
    *scale = finite ? largest / 127.0f : std::numeric_limits<float>::quiet_NaN();
    for (index_t i = 0; i < head_dim; ++i) {
      const float code = finite ? x[i] * inverse : 0.0f;
      to[at(i)] = static_cast<std::int8_t>(code + (code < 0 ? -0.5f : 0.5f));
    }
  } else {
    for (index_t i = 0; i < head_dim; ++i) to[at(i)] = static_cast<E>(x[i]);
  }
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Writes x, head_dim numbers, as the key of a position.
inline void store_key(const KvHeads& kv, index_t head, index_t position, const float* x) {
  with_kv_format(kv.format, [&]<class E>(E) {
    E* to = kv.keys<E>(head) + kv.key_at(position, 0);
    float* scale = kv.k_scales ? kv.k_scales + head * kv.room + position : nullptr;
    detail::store_head(x, kv.head_dim, to, scale, [](index_t i) { return i * kv_panel; });
  });
}
/// Writes x, head_dim numbers, as the value of a position.
inline void store_value(const KvHeads& kv, index_t head, index_t position, const float* x) {
  with_kv_format(kv.format, [&]<class E>(E) {
    E* to = kv.values<E>(head) + kv.value_at(position, 0);
    float* scale = kv.v_scales ? kv.v_scales + head * kv.room + position : nullptr;
    if (values_in_panels(kv.head_dim))
      detail::store_head(x, kv.head_dim, to, scale, [](index_t i) { return i * kv_panel; });
    else
      detail::store_head(x, kv.head_dim, to, scale, [](index_t i) { return i; });
  });
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
