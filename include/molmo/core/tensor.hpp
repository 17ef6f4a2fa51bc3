// SPDX-License-Identifier: Apache-2.0
// Tensor<T, D...>: elements that it owns, on the heap, 64-byte aligned, zeroed. Gives views; never lies on the stack.
//
//   Tensor<float, 4096> x;                    static shape
//   Tensor<float, dyn, 4096> y{tokens};       as many tokens as you say
// A tensor that was moved from is empty: it has no rows, and a view of it has none either (or, where the shape is
// static and a view cannot say so, is a contract_error).
#pragma once

#include <molmo/core/contract.hpp>
#include <molmo/core/memory.hpp>
#include <molmo/core/result.hpp>
#include <molmo/core/view.hpp>

#include <utility>

namespace molmo::inline v0 {

template <class T, index_t... D>
class Tensor {
 public:
  using shape = Shape<D...>;
  using element = T;
  using view_type = View<T, shape>;
  using const_view_type = View<const T, shape>;

  /// Zeroed elements. Throws std::bad_alloc where exceptions are enabled; make() returns the failure instead.
  Tensor() requires(!shape::dynamic) : Tensor(1, allocate(1)) { require_memory(bytes_.data()); }
  explicit Tensor(index_t tokens) requires(shape::dynamic) : Tensor(tokens, allocate(tokens)) {
    require_memory(bytes_.data());
  }
  /// Zeroed elements, or errc::out_of_memory. `tokens` counts only where the shape has the token axis.
  static result<Tensor> make(index_t tokens = 1) {
    if (!shape::dynamic) tokens = 1;
    Tensor made(tokens, allocate(tokens));
    if (made.bytes_.data() == nullptr)
      return fail(errc::out_of_memory, text("no memory for a tensor of ", tokens, " tokens"));
    return result<Tensor>(std::move(made));
  }

  Tensor(Tensor&& other) noexcept : tokens_(std::exchange(other.tokens_, 0)), bytes_(std::move(other.bytes_)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    if (this != &other) tokens_ = std::exchange(other.tokens_, 0);
    return *this;
  }

  [[nodiscard]] view_type view() & MOLMO_LIFETIMEBOUND { return as<view_type>(data()); }
  [[nodiscard]] const_view_type view() const& MOLMO_LIFETIMEBOUND { return as<const_view_type>(data()); }
  void view() const&& = delete;  // the elements would be gone at the end of the statement
  operator view_type() & MOLMO_LIFETIMEBOUND { return view(); }
  operator const_view_type() const& MOLMO_LIFETIMEBOUND { return view(); }
  operator const_view_type() const&& = delete;

  [[nodiscard]] T* data() { return reinterpret_cast<T*>(bytes_.data()); }
  [[nodiscard]] const T* data() const { return reinterpret_cast<const T*>(bytes_.data()); }
  [[nodiscard]] index_t tokens() const { return tokens_; }
  [[nodiscard]] index_t rows() const { return tokens_ * shape::static_rows; }
  [[nodiscard]] static constexpr index_t cols() { return shape::cols; }
  [[nodiscard]] index_t size() const { return rows() * shape::cols; }
  [[nodiscard]] T& operator[](index_t i) { return data()[i]; }
  [[nodiscard]] const T& operator[](index_t i) const { return data()[i]; }
  [[nodiscard]] T& operator()(index_t r, index_t c) { return data()[r * shape::cols + c]; }
  [[nodiscard]] const T& operator()(index_t r, index_t c) const { return data()[r * shape::cols + c]; }

 private:
  Tensor(index_t tokens, AlignedBytes bytes) : tokens_(tokens), bytes_(std::move(bytes)) {}

  static AlignedBytes allocate(index_t tokens) {
    if (tokens < 0) return {};
    return AlignedBytes::zeroed(static_cast<std::size_t>(tokens), sizeof(T) * elements_per_token<shape>);
  }

  template <class V, class P>
  V as(P* first) const {
    if constexpr (shape::dynamic) {
      return V(first, tokens_);
    } else {
      expects(first != nullptr, "molmo: this tensor was moved from and has no elements; use the one it was moved to");
      return V(first);
    }
  }

  index_t tokens_;  // 1 where the shape is static, 0 after the elements were moved away
  AlignedBytes bytes_;
};

}  // namespace molmo::inline v0
