// SPDX-License-Identifier: Apache-2.0
// Row reductions on the GPU: on(cuda, y) = x * rsqrt(mean(x * x) + eps) is one kernel, a block for each row.
//
// The threads of a block run each pass over the row together (the tree of backend/cuda.cuh), so all of them have its
// number; then they store the row, which the second-level cache still holds. The order of a row's sum depends on its
// width alone. GPU_UNVERIFIED like all of cuda.cuh: compiled, never run; no speed is claimed. What goes on with a row
// in place (softmax, norms and cumsum of an expression) is not there.
#pragma once

#include <molmo/backend/cuda.cuh>
#include <molmo/expr/row_reduce.hpp>

namespace molmo::inline v0 {
namespace detail {

/// A block of threads in front of one row: what reduce_operands takes for its context.
template <int N>
struct CudaBlock {
  bool aligned;
};

/// The passes of a block over its row; all threads get the number.
template <int N, class E>
struct RowPasses<CudaBlock<N>, E> {
  const CudaBlock<N>& block;
  const E& e;
  index_t row, cols;

  template <class R>
  MOLMO_HD double operator()(R) const {
#if defined(__CUDA_ARCH__)
    __shared__ double answer;
    // Every row begins on a pack where the first one does and the width is whole packs.
    const Walk w{1, cols, N > 1 && block.aligned && cols % N == 0 ? cols : index_t{0}};
    const double total = cuda_tree<R>(reduce_share<N, R>(e, w, row, 0, cols, threadIdx.x, blockDim.x));
    if (threadIdx.x == 0) answer = total;
    __syncthreads();
    const double all = answer;
    __syncthreads();  // before the next pass writes it
    return all;
#else
    return R::identity;
#endif
  }
  template <class R, class F>
  MOLMO_HD double operator()(R r, const F& f) const {
    const OfEach<F, E> each{f, e};
    return RowPasses<CudaBlock<N>, OfEach<F, E>>{block, each, row, cols}(r);
  }
};

template <int N, class Archs, class Y, class E>
__global__ void __launch_bounds__(cuda_threads)
    cuda_row_pass(const __grid_constant__ E open, Y y, const Walk w, bool aligned) {
  E numbers = open;
  const CudaBlock<N> block{aligned};
  for (index_t r = blockIdx.x; r < w.rows; r += gridDim.x) {
    reduce_operands(block, numbers, r);
    const Worker me{static_cast<index_t>(threadIdx.x), r, static_cast<index_t>(blockDim.x), w.rows};  // of this row
    pass_share<N>(numbers, y, w, me);
  }
}

}  // namespace detail

/// One kernel, one block per row. Errors: cuda.status(). Rows of y may lie apart.
template <class Archs, class T, class S, index_t R, index_t O, class E, class Finish>
void assign_rows(const BasicCuda<Archs>& cuda, View<T, S, Device, R, O> y, const E& e, const Finish&) {
  static_assert(std::is_same_v<Finish, detail::Stored>,
                "molmo: a softmax, a norm or a cumsum of an expression runs on the CPU only");
  constexpr int pack = pack_size<T, E>;
  const auto open = detail::with_numbers(e.template erased<S>());
  using Open = std::remove_const_t<decltype(open)>;
  bool aligned = detail::rows_on_chunks(y);  // and so is whatever a reduction reads
  e.each_leaf([&](const auto& operand) { aligned = aligned && detail::rows_on_chunks(operand.view); });
  const Walk w = make_walk(y.rows(), S::cols, pack, aligned);
  if (w.rows == 0) return;
  const index_t most = cuda.multiprocessors() * detail::blocks_per_multiprocessor;
  // As many threads as the longest pass keeps busy, at most.
  const Walk longest = make_walk(1, S::cols + detail::reduced_columns(open), pack, aligned);
  const auto launch = [&](auto target) {
    detail::cuda_launch(cuda, "on(cuda, y) = e with row reductions could not be queued",
                        dim3(static_cast<unsigned>(w.rows < most ? w.rows : most)), dim3(reduce_threads(longest, pack)),
                        detail::cuda_row_pass<pack, Archs, decltype(target), Open>, open, target, w, aligned);
  };
  if constexpr (View<T, S, Device, R, O>::dense)
    launch(y.data);
  else
    launch(detail::target_rows(y));
}

}  // namespace molmo::inline v0
