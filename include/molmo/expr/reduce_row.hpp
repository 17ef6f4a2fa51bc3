// SPDX-License-Identifier: Apache-2.0
// One pass over a row, reduce_row: the loop that every reduction is made of. Here is its meaning, left to right in
// double precision; the fast ones are in backend/xsimd.hpp and backend/cuda.cuh.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/expr/concepts.hpp>
#include <molmo/expr/reduction_kinds.hpp>

namespace molmo::inline v0 {

/// The meaning: all elements of row r of e, combined from left to right in double precision.
template <class R, class E>
[[nodiscard]] double reduce_row(const Reference&, R, const E& erased, index_t r, index_t cols) {
  double total = R::identity;
  for (index_t c = 0; c < cols; ++c) total = R::combine(erased.eval(ScalarAt<double>{r, c}), total);
  return total;
}

namespace detail {

/// f of each element of an erased expression.
template <class F, class E>
struct OfEach {
  const F& f;
  const E& e;

  template <class At>
  MOLMO_INLINE typename At::value eval(const At& at) const {
    return f(e.eval(at));
  }
};

/// The passes over one row of an erased expression, for reduce_by. (On a GPU, where no host calls come, the blocks of
/// backend/cuda_row_reduce.cuh have their own.)
template <class Ctx, class E>
struct RowPasses {
  const Ctx& ctx;
  const E& e;
  index_t row, cols;

  template <class R>
  MOLMO_HD double operator()(R r) const {
#if defined(__CUDA_ARCH__)
    return R::identity;
#else
    return reduce_row(ctx, r, e, row, cols);
#endif
  }
  template <class R, class F>
  MOLMO_HD double operator()(R r, const F& f) const {
    const OfEach<F, E> each{f, e};
    return RowPasses<Ctx, OfEach<F, E>>{ctx, each, row, cols}(r);
  }
};

}  // namespace detail

}  // namespace molmo::inline v0
