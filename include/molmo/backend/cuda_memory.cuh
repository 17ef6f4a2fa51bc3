// SPDX-License-Identifier: Apache-2.0
// DeviceTensor<T, D...>: elements that it owns on the GPU; copy(cuda, to, from) between host and device.
//
//   auto x = DeviceTensor<float, dyn, 4096>::make(tokens);      a result: errc::out_of_memory, or errc::device
//   copy(cuda, *x, host_tensor);                                queued on the stream of cuda
// Views of it have Device memory in their type, so host code cannot read them by mistake. A header for .cpp files as
// well: it needs only the CUDA runtime library.
// GPU_UNVERIFIED: compiled, never run (see gpu_unverified in backend/cuda.cuh).
#pragma once

#include <molmo/backend/cuda_context.cuh>
#include <molmo/core/tensor.hpp>

#include <limits>

namespace molmo::inline v0 {

/// Zeroed elements in the memory of the current GPU. Made by make(), moved, never copied.
template <class T, index_t... D>
class DeviceTensor {
 public:
  using shape = Shape<D...>;
  using element = T;
  using view_type = View<T, shape, Device>;
  using const_view_type = View<const T, shape, Device>;

  /// `tokens` counts only where the shape has the token axis.
  [[nodiscard]] static result<DeviceTensor> make(index_t tokens = 1) {
    constexpr std::size_t each = sizeof(T) * static_cast<std::size_t>(elements_per_token<shape>);
    if (tokens < 0 || static_cast<std::size_t>(tokens) > (std::numeric_limits<std::size_t>::max)() / 2 / each)
      return fail(errc::out_of_memory, text("no GPU memory for a tensor of ", tokens, " tokens"));
    DeviceTensor out;
    out.tokens_ = shape::dynamic ? tokens : 1;
    const std::size_t bytes = each * static_cast<std::size_t>(shape::dynamic ? tokens : 1);
    if (bytes == 0) return result<DeviceTensor>(std::move(out));
    cudaError_t e = cudaMalloc(reinterpret_cast<void**>(&out.data_), bytes);
    if (e == cudaSuccess) e = cudaMemset(out.data_, 0, bytes);
    if (e == cudaSuccess) e = cudaStreamSynchronize(nullptr);  // other streams need not wait for the zeroes
    if (e != cudaSuccess) {
      (void)cudaGetLastError();
      return detail::cuda_failure(e, "a tensor could not be made");
    }
    return result<DeviceTensor>(std::move(out));
  }
  DeviceTensor(DeviceTensor&& other) noexcept
      : tokens_(std::exchange(other.tokens_, 0)), data_(std::exchange(other.data_, nullptr)) {}
  DeviceTensor& operator=(DeviceTensor&& other) noexcept {
    std::swap(tokens_, other.tokens_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~DeviceTensor() { (void)cudaFree(data_); }

  [[nodiscard]] view_type view() & MOLMO_LIFETIMEBOUND { return as<view_type>(); }
  [[nodiscard]] const_view_type view() const& MOLMO_LIFETIMEBOUND { return as<const_view_type>(); }
  void view() const&& = delete;  // the elements would be gone at the end of the statement
  operator view_type() & MOLMO_LIFETIMEBOUND { return view(); }
  operator const_view_type() const& MOLMO_LIFETIMEBOUND { return view(); }
  operator const_view_type() const&& = delete;

  [[nodiscard]] index_t tokens() const { return tokens_; }
  [[nodiscard]] index_t rows() const { return tokens_ * shape::static_rows; }
  [[nodiscard]] static constexpr index_t cols() { return shape::cols; }
  [[nodiscard]] index_t size() const { return rows() * shape::cols; }

 private:
  DeviceTensor() = default;

  template <class V>
  V as() const {
    if constexpr (shape::dynamic) {
      return V(data_, tokens_);
    } else {
      expects(data_ != nullptr, "molmo: this tensor was moved from and has no elements; use the one it was moved to");
      return V(data_);
    }
  }

  index_t tokens_ = 0;  // 1 where the shape is static, 0 after the elements were moved away
  T* data_ = nullptr;
};

template <class T, index_t... D>
inline constexpr bool is_tensor<DeviceTensor<T, D...>> = true;

template <class T, index_t... D>
[[nodiscard]] Leaf<T, Shape<D...>, Device> leaf(const DeviceTensor<T, D...>& t MOLMO_LIFETIMEBOUND) {
  return {t.view()};
}
template <class T, index_t... D>
void leaf(const DeviceTensor<T, D...>&& temporary) = delete;  // its elements would be gone before the expression runs

template <class Ctx, class T, index_t... D>
[[nodiscard]] Target<Ctx, T, Shape<D...>, Device> on(const Ctx& ctx, DeviceTensor<T, D...>& y) {
  return on(ctx, y.view());
}

/// Elements from one memory to the other, or within the GPU, in the order of the stream. Both are views or tensors of
/// the same element type and shape. Host memory must stay as it is until cuda.synchronize(). The errors of the queue
/// itself are returned; errc::invalid_argument where the numbers of tokens differ.
template <class Archs, class To, class From>
result<void> copy(const BasicCuda<Archs>& cuda, To&& to, const From& from) {
  const auto from_view = leaf(from).view;
  using Source = std::remove_cvref_t<decltype(from_view)>;
  static_assert(Source::dense, "molmo: copy(cuda, to, from) copies rows that follow each other; store from first");
  using Sink = View<typename Source::element, typename Source::shape,
                    typename std::remove_cvref_t<decltype(leaf(to).view)>::memory>;
  if constexpr (!std::is_convertible_v<To&, Sink>) {
    static_assert(detail::always_false<To, From>,
                  "molmo: copy(cuda, to, from) needs the same element type and shape on both sides");
  } else {
    const Sink sink = to;
    if (sink.size() != from_view.size())
      return fail(errc::invalid_argument,
                  text("copy(cuda, to, from): ", sink.tokens(), " tokens to, ", from_view.tokens(), " from"));
    const cudaError_t e =
        cudaMemcpyAsync(sink.data, from_view.data, static_cast<std::size_t>(sink.size()) * sizeof(*sink.data),
                        cudaMemcpyDefault, cuda.stream());
    if (e == cudaSuccess) return {};
    (void)cudaGetLastError();
    return detail::cuda_failure(e, "a copy could not be queued");
  }
}

}  // namespace molmo::inline v0
