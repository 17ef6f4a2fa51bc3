// SPDX-License-Identifier: Apache-2.0
// Cuda: the GPU as a backend. A stream, what is known of its device, and the first error of what was queued on it.
//
//   auto cuda = Cuda::make(stream);        if (!cuda) ... cuda.error().message
//   on(*cuda, y) = x + silu(gate) * up;    queued, returns at once
//   auto done = cuda->synchronize();       waits; the first error since the last synchronize(), if there was one
// Nothing is thrown and nothing aborts: a statement that fails leaves its error in status(), and the ones after it
// still try. The type has no parent, so an op that is missing on the GPU is a compile error; and it carries the list of
// architectures that its translation unit is compiled for, so that units compiled for others have types of their own.
// GPU_UNVERIFIED: compiled for sm_80 and sm_90a, never run (see gpu_unverified in backend/cuda.cuh).
#pragma once

#include <molmo/backend/cuda_walk.hpp>
#include <molmo/core/result.hpp>

#include <cuda_runtime_api.h>

#include <memory>
#include <utility>

namespace molmo::inline v0 {
namespace detail {

inline failure cuda_failure(cudaError_t code, const char* what) {
  const errc kind = code == cudaErrorMemoryAllocation ? errc::out_of_memory : errc::device;
  return fail(kind, text("CUDA: ", what, ": ", cudaGetErrorString(code), " (", cudaGetErrorName(code), ")"));
}

// What all copies of a Cuda share.
struct CudaState {
  cudaStream_t stream = nullptr;
  int device = 0;
  int multiprocessors = 1;
  double* partial = nullptr;  // reduce_blocks partial results and the result, on the device
  double* answer = nullptr;   // the result, on the host
  cudaError_t error = cudaSuccess;
  const char* what = "";

  CudaState() = default;
  CudaState(const CudaState&) = delete;
  CudaState& operator=(const CudaState&) = delete;
  ~CudaState() {
    (void)cudaFree(partial);
    (void)cudaFreeHost(answer);
  }
};

}  // namespace detail

/// The architectures (800, 900, ...) of a translation unit.
template <unsigned... Sm>
struct CudaArchs {};

#if defined(__CUDA_ARCH_LIST__)
using NativeCudaArchs = CudaArchs<__CUDA_ARCH_LIST__>;
#else
using NativeCudaArchs = CudaArchs<>;
#endif

/// A stream of the GPU that is current where make() is called, and that must be current wherever it is used. Small and
/// copyable; copies share stream and status.
/// One thread at a time uses a Cuda and its copies.
template <class Archs>
class BasicCuda {
 public:
  static constexpr const char* name = "cuda";
  using memory = Device;

  /// `stream` must outlive every copy. Fails with errc::device where there is no GPU.
  [[nodiscard]] static result<BasicCuda> make(cudaStream_t stream = nullptr) {
    auto state = std::make_shared<detail::CudaState>();
    state->stream = stream;
    cudaError_t e = cudaGetDevice(&state->device);
    if (e == cudaSuccess)
      e = cudaDeviceGetAttribute(&state->multiprocessors, cudaDevAttrMultiProcessorCount, state->device);
    if (e == cudaSuccess)
      e = cudaMalloc(reinterpret_cast<void**>(&state->partial), (reduce_blocks + 1) * sizeof(double));
    if (e == cudaSuccess) e = cudaMallocHost(reinterpret_cast<void**>(&state->answer), sizeof(double));
    if (e != cudaSuccess) {
      (void)cudaGetLastError();  // the error is reported here; the program's own next question must not find it
      return detail::cuda_failure(e, "no GPU can be used (the CPU backends need none)");
    }
    return BasicCuda(std::move(state));
  }

  [[nodiscard]] cudaStream_t stream() const { return state_->stream; }
  [[nodiscard]] int multiprocessors() const { return state_->multiprocessors; }

  /// The first error of what was queued since the last synchronize(). Faults of running kernels show there only.
  [[nodiscard]] result<void> status() const {
    if (state_->error != cudaSuccess) return detail::cuda_failure(state_->error, state_->what);
    return {};
  }
  /// Waits until everything that was queued has run. The first error since the last time, which is then forgotten.
  [[nodiscard]] result<void> synchronize() const {
    note(cudaStreamSynchronize(state_->stream), "waiting for the stream");
    result<void> out = status();
    state_->error = cudaSuccess;
    return out;
  }

  /// For ops: remembers the first error. True where there was none.
  bool note(cudaError_t error, const char* what) const {
    if (error == cudaSuccess) return true;
    (void)cudaGetLastError();
    if (state_->error == cudaSuccess) state_->error = error, state_->what = what;
    return false;
  }
  /// For ops: room for reduce_blocks partial results and one result on the device, and for one result on the host.
  [[nodiscard]] double* partial() const { return state_->partial; }
  [[nodiscard]] double* answer() const { return state_->answer; }

 private:
  explicit BasicCuda(std::shared_ptr<detail::CudaState> state) : state_(std::move(state)) {}

  std::shared_ptr<detail::CudaState> state_;
};

/// The GPU backend of this translation unit.
using Cuda = BasicCuda<NativeCudaArchs>;

}  // namespace molmo::inline v0
