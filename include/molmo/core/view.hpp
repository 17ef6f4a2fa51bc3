// SPDX-License-Identifier: Apache-2.0
// View<T, Shape, Memory>: borrowed elements. One pointer, plus one length when the shape has the token axis.
//
// The sizes are in the type, so a view of static shape is as cheap as a pointer and may be a CUDA kernel argument.
// Memory (Host or Device) is in the type too: host code cannot be handed device data by mistake.
#pragma once

#include <molmo/core/shape.hpp>

#include <type_traits>

namespace molmo::inline v0 {

struct Host {};    ///< memory the CPU reads
struct Device {};  ///< memory of a GPU

namespace detail {

template <bool Dynamic>
struct TokenCount {
  index_t tokens_ = 0;
  MOLMO_HD constexpr index_t tokens() const { return tokens_; }
};
template <>
struct TokenCount<false> {
  MOLMO_HD static constexpr index_t tokens() { return 1; }
};

}  // namespace detail

/// Elements somewhere else, row-major, last axis fastest. T may be const.
template <class T, class S, class Memory = Host>
struct View : detail::TokenCount<S::dynamic> {
  static_assert(is_shape<S>, "molmo: the second argument of View is a Shape<...>");
  using element = std::remove_const_t<T>;
  using shape = S;
  using memory = Memory;

  T* data = nullptr;

  View() = default;
  /// A view of static shape.
  MOLMO_HD constexpr explicit View(T* first)
    requires(!S::dynamic)
      : data(first) {}
  /// A view of `tokens` tokens.
  MOLMO_HD constexpr View(T* first, index_t tokens)
    requires(S::dynamic)
      : detail::TokenCount<true>{tokens}, data(first) {}
  /// A view of T is a view of const T.
  template <class U>
    requires(std::is_same_v<const U, T> && !std::is_const_v<U>)
  MOLMO_HD constexpr View(const View<U, S, Memory>& other) : detail::TokenCount<S::dynamic>(other), data(other.data) {}

  [[nodiscard]] MOLMO_HD constexpr index_t rows() const { return this->tokens() * S::static_rows; }
  [[nodiscard]] MOLMO_HD static constexpr index_t cols() { return S::cols; }
  [[nodiscard]] MOLMO_HD constexpr index_t size() const { return rows() * S::cols; }
  [[nodiscard]] MOLMO_HD constexpr T* row(index_t r) const { return data + r * S::cols; }
  [[nodiscard]] MOLMO_HD constexpr T& operator[](index_t i) const { return data[i]; }
  [[nodiscard]] MOLMO_HD constexpr T& operator()(index_t r, index_t c) const { return data[r * S::cols + c]; }

  /// Tokens [first, first + count); the caller keeps the range inside the view.
  [[nodiscard]] MOLMO_HD constexpr View slice(index_t first, index_t count) const
    requires(S::dynamic)
  {
    return {data + first * elements_per_token<S>, count};
  }
};

template <class T>
inline constexpr bool is_view = false;
template <class T, class S, class M>
inline constexpr bool is_view<View<T, S, M>> = true;

}  // namespace molmo::inline v0
