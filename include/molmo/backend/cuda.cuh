// SPDX-License-Identifier: Apache-2.0
// The GPU's own assignment and reductions: on(cuda, y) = e runs as one kernel, which gets the expression object itself.
//
//   on(cuda, y) = x + silu(gate) * up;     on(cuda, s) = row_sum(x * x);     float m = max_of(cuda, x);
// A thread reads each operand in pieces of 16 bytes where all of them are aligned (else element by element), calculates
// in float and writes 16 bytes. sum and max_of wait for their number, NaN where the GPU failed (see cuda.status()).
// Kernels are instantiated with erased expressions: one for all widths. Index arithmetic: backend/cuda_walk.hpp.
// GPU_UNVERIFIED: written and compiled without a GPU (sm_80 and sm_90a); the host runs the same bodies in its tests,
// but the launches, the block reductions and the conversions by hardware have never run. No speed is claimed.
#pragma once

#include <molmo/backend/cuda_memory.cuh>

#include <cuda_runtime.h>

#include <limits>

namespace molmo::inline v0 {

/// True until a GPU has run tests/cuda.
inline constexpr bool gpu_unverified = true;

namespace detail {

// A grid that fills the GPU: eight blocks of 256 threads are as many as a multiprocessor holds, four rounds of them.
inline constexpr index_t blocks_per_multiprocessor = 32;

// (The architectures are part of each kernel's name, so that units compiled for others do not share it.)
template <int N, class Archs, class Y, class E>
__global__ void __launch_bounds__(cuda_threads) cuda_pass(const __grid_constant__ E e, Y y, const Walk w) {
  const Worker me{static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x,
                  static_cast<index_t>(blockIdx.y) * blockDim.y + threadIdx.y,
                  static_cast<index_t>(gridDim.x) * blockDim.x, static_cast<index_t>(gridDim.y) * blockDim.y};
  pass_share<N>(e, y, w, me);
}

// The tree of reduce_step over the threads of a block: in shared memory, the last 32 in one warp. For thread 0.
template <class R>
__device__ double cuda_tree(double mine) {
  __shared__ double part[cuda_threads];
  const unsigned t = threadIdx.x;
  part[t] = mine;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half >= 32; half /= 2) {
    reduce_step<R>(part, half, t);
    __syncthreads();
  }
  double total = part[t];
  if (t < 32) {
    MOLMO_UNROLL
    for (unsigned half = 16; half > 0; half /= 2) total = R::combine(__shfl_down_sync(0xffffffffu, total, half), total);
  }
  __syncthreads();  // before the next row writes part
  return total;
}

template <int N, class R, class Archs, class T, class E>
__global__ void __launch_bounds__(cuda_threads) cuda_reduce_rows(const __grid_constant__ E e, T* y, const Walk w) {
  for (index_t r = blockIdx.x; r < w.rows; r += gridDim.x) {
    const double total = cuda_tree<R>(reduce_share<N, R>(e, w, r, 0, w.cols, threadIdx.x, blockDim.x));
    if (threadIdx.x == 0) y[r] = static_cast<T>(total);
  }
}

template <int N, class R, class Archs, class E>
__global__ void __launch_bounds__(cuda_threads)
    cuda_reduce_all(const __grid_constant__ E e, double* partial, const Walk w, const ReducePlan plan) {
  const double total = cuda_tree<R>(reduce_all_share<N, R>(e, w, plan, blockIdx.x, threadIdx.x, blockDim.x));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

template <class R, class Archs>
__global__ void __launch_bounds__(cuda_threads)
    cuda_reduce_partial(const double* partial, unsigned count, double* out) {
  const double total = cuda_tree<R>(partial_share<R>(partial, count, threadIdx.x, blockDim.x));
  if (threadIdx.x == 0) *out = total;
}

template <class Archs, class... P, class... A>
bool cuda_launch(const BasicCuda<Archs>& cuda, const char* what, dim3 blocks, dim3 threads, void (*kernel)(P...),
                 A&&... a) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = cuda.stream();
  return cuda.note(cudaLaunchKernelEx(&config, kernel, std::forward<A>(a)...), what);
}

// The walk over all elements of e, flattened to one row where nothing broadcasts or lies apart.
template <int N, class E, class Root, bool Apart = false>
Walk walk_over(index_t rows, bool aligned) {
  if constexpr (Apart || broadcasts<E, Root>())
    return make_walk(rows, Root::cols, N, aligned);
  else
    return make_walk(rows * Root::cols > 0 ? 1 : 0, rows * Root::cols, N, aligned);
}

}  // namespace detail

/// One kernel. Errors: cuda.status(). Rows of y may lie apart.
template <class Archs, class T, class S, index_t R, index_t O, class E>
void assign(const BasicCuda<Archs>& cuda, View<T, S, Device, R, O> y, const E& e) {
  constexpr bool apart = !View<T, S, Device, R, O>::dense;
  constexpr int pack = pack_size<T, E>;
  const auto flat = e.template erased<S>();
  using Flat = std::remove_const_t<decltype(flat)>;
  const bool aligned = detail::rows_on_chunks(y) && detail::on_chunks<S>(y.data, e);
  const Walk w = detail::walk_over<pack, E, S, apart>(y.rows(), aligned);
  const GridSize g = make_grid(w, pack, cuda.multiprocessors() * detail::blocks_per_multiprocessor);
  if (g.blocks_x == 0) return;
  const auto launch = [&](auto target) {
    detail::cuda_launch(cuda, "on(cuda, y) = e could not be queued", dim3(g.blocks_x, g.blocks_y),
                        dim3(g.threads_x, g.threads_y), detail::cuda_pass<pack, Archs, decltype(target), Flat>, flat,
                        target, w);
  };
  if constexpr (apart)
    launch(detail::target_rows(y));
  else
    launch(y.data);
}

/// One block per row.
template <class Archs, class R, class T, class S, class E>
void reduce_rows(const BasicCuda<Archs>& cuda, R, View<T, S, Device> y, const E& e) {
  using Root = typename E::shape;
  constexpr int pack = pack_size<float, E>;
  const auto flat = e.template erased<Root>();
  using Flat = std::remove_const_t<decltype(flat)>;
  const Walk w = make_walk(y.size(), Root::cols, pack, detail::on_chunks<Root>(static_cast<const T*>(nullptr), e));
  if (w.rows == 0) return;
  const index_t most = cuda.multiprocessors() * detail::blocks_per_multiprocessor;
  detail::cuda_launch(cuda, "on(cuda, y) = row_sum(e) or row_max(e) could not be queued",
                      dim3(static_cast<unsigned>(w.rows < most ? w.rows : most)), dim3(reduce_threads(w, pack)),
                      detail::cuda_reduce_rows<pack, R, Archs, T, Flat>, flat, y.data, w);
}

/// Two kernels and a copy; waits. NaN where one of them failed: cuda.status() has the error.
template <class Archs, class R, class E>
[[nodiscard]] double reduce_all(const BasicCuda<Archs>& cuda, R, const E& e) {
  using Root = typename E::shape;
  constexpr int pack = pack_size<float, E>;
  const auto flat = e.template erased<Root>();
  using Flat = std::remove_const_t<decltype(flat)>;
  const Walk w = detail::walk_over<pack, E, Root>(detail::rows_of(e),
                                                  detail::on_chunks<Root>(static_cast<const float*>(nullptr), e));
  const ReducePlan plan = make_reduce_plan(w, pack);
  if (plan.blocks == 0) return R::identity;
  double* out = cuda.partial() + reduce_blocks;
  const bool done =
      detail::cuda_launch(cuda, "a reduction could not be queued", dim3(plan.blocks), dim3(cuda_threads),
                          detail::cuda_reduce_all<pack, R, Archs, Flat>, flat, cuda.partial(), w, plan) &&
      detail::cuda_launch(cuda, "a reduction could not be queued", dim3(1), dim3(cuda_threads),
                          detail::cuda_reduce_partial<R, Archs>, static_cast<const double*>(cuda.partial()),
                          plan.blocks, out) &&
      cuda.note(cudaMemcpyAsync(cuda.answer(), out, sizeof(double), cudaMemcpyDeviceToHost, cuda.stream()),
                "a reduction's result") &&
      cuda.note(cudaStreamSynchronize(cuda.stream()), "waiting for a reduction");
  return done ? *cuda.answer() : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace molmo::inline v0
