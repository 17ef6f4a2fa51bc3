// SPDX-License-Identifier: Apache-2.0
// Reductions of everything: a number, now.
//
//   float s = sum(cpu, x * x);     float v = variance(cpu, x);     if (any(cpu, x)) ...
// Without a context they reduce rows and are operands: row_reduce.hpp, which this header includes. Over tokens:
// token_reduce.hpp. Of doubles the number is a double. A NaN is never passed over: max_of(cpu, abs(a - b)) < 1e-6
// means it. Of nothing (0 tokens) sum is 0, max_of and log_sum_exp -infinity, min_of +infinity, mean and variance NaN,
// any false, all true.
// The loops here add in double precision, one element after another. The fast ones (backend/xsimd.hpp,
// backend/cuda.cuh) add pieces of fixed size in a fixed order, so that the result does not depend on the number of
// threads.
#pragma once

#include <molmo/expr/acc.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/row_reduce.hpp>

namespace molmo::inline v0 {
namespace detail {

template <class E>
[[nodiscard]] index_t rows_of(const E& e) {
  return (E::shape::dynamic ? e.tokens() : index_t{1}) * E::shape::static_rows;
}
template <class Ctx, class R, class E>
[[nodiscard]] double reduce_by_rows(const Ctx& ctx, R r, const E& e) {
  const auto flat = e.template erased<typename E::shape>();
  if constexpr (!broadcasts<E, typename E::shape>()) {  // one long row
    return reduce_row(ctx, r, flat, 0, rows_of(e) * E::shape::cols);
  } else {
    double total = R::identity;
    for (index_t row = 0; row < rows_of(e); ++row)
      total = R::combine(reduce_row(ctx, r, flat, row, E::shape::cols), total);
    return total;
  }
}

}  // namespace detail

/// The meaning of one pass over everything: the rows, one after another. Backends overload this.
template <class R, class E>
[[nodiscard]] double reduce_all(const Reference& cpu, R r, const E& e) {
  return detail::reduce_by_rows(cpu, r, e);
}

namespace detail {

/// The passes over all elements of an expression, for reduce_by.
template <class Ctx, class E>
struct AllPasses {
  const Ctx& ctx;
  const E& e;

  template <class R>
  MOLMO_HD double operator()(R r) const {
#if defined(__CUDA_ARCH__)
    return R::identity;  // never: the passes of the host
#else
    return on_host(r);
#endif
  }
  template <class R, class F>
  MOLMO_HD double operator()(R r, const F& f) const {
#if defined(__CUDA_ARCH__)
    return R::identity;
#else
    return of_each(r, f);
#endif
  }

 private:
  template <class R, class F>
  double of_each(R r, const F& f) const {
    const auto mapped = map_function(f, e);
    return AllPasses<Ctx, std::remove_const_t<decltype(mapped)>>{ctx, mapped}(r);
  }
  template <class R>
  double on_host(R r) const {
    if constexpr (has_row_reduction<E>()) {  // whose rows have numbers of their own
      static_assert(std::is_same_v<typename Ctx::memory, Host>,
                    "molmo: sum(ctx, e), mean(ctx, e), ... of an e with row reductions run on the CPU only; store e "
                    "first");
      auto row = with_numbers(e.template erased<typename E::shape>());
      double total = R::identity;
      for (index_t i = 0; i < rows_of(e); ++i) {
        reduce_operands(ctx, row, i);
        total = R::combine(reduce_row(ctx, r, row, i, E::shape::cols), total);
      }
      return total;
    } else {
      return reduce_all(ctx, r, e);
    }
  }
};

template <class R, class Ctx, class X>
[[nodiscard]] double reduce_to_double(const Ctx& ctx, const X& e) {
  const index_t n = rows_of(e) * X::shape::cols;
  if constexpr (has_row_reduction<X>() && has_double<X>())  // whose rows Xsimd would reduce in float
    return reduce_by<R>(n, AllPasses<Reference, X>{static_cast<const Reference&>(ctx), e});
  else
    return reduce_by<R>(n, AllPasses<Ctx, X>{ctx, e});
}
// R of all elements as a Number; where that is void as a float, or a double where an operand is double.
template <class R, class Number, class Ctx, class X>
[[nodiscard]] auto reduce_to_number(const Ctx& ctx, const X& e) {
  check_no_acc<X>();
  static_assert(of_reals<X>,
                "molmo: this is of real numbers; of integers and of true and false write it of cast<float>(e)");
  check_operands<typename Ctx::memory>(e);
  using T = std::conditional_t<std::is_void_v<Number>, pass_t<float, X>, Number>;
  return static_cast<T>(reduce_to_double<R>(ctx, e));
}

}  // namespace detail

/// The sum of all elements: a float, a double where an operand is double. So are the numbers of all that follow.
template <class Ctx, Shaped X>
[[nodiscard]] auto sum(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<SumOf, void>(ctx, leaf(std::forward<X>(x)));
}
template <class Ctx, Shaped X>
[[nodiscard]] auto mean(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<MeanOf, void>(ctx, leaf(std::forward<X>(x)));
}
/// The largest element; NaN where one is NaN, -infinity where there is none.
template <class Ctx, Shaped X>
[[nodiscard]] auto max_of(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<MaxOf, void>(ctx, leaf(std::forward<X>(x)));
}
/// The smallest element; NaN where one is NaN, +infinity where there is none.
template <class Ctx, Shaped X>
[[nodiscard]] auto min_of(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<MinOf, void>(ctx, leaf(std::forward<X>(x)));
}
/// The population variance of all elements.
template <class Ctx, Shaped X>
[[nodiscard]] auto variance(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<VarianceOf, void>(ctx, leaf(std::forward<X>(x)));
}
/// log(sum of e^x) over all elements.
template <class Ctx, Shaped X>
[[nodiscard]] auto log_sum_exp(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<LogSumExpOf, void>(ctx, leaf(std::forward<X>(x)));
}
/// Whether an element is not 0 (NaN is not), or true.
template <class Ctx, Shaped X>
[[nodiscard]] bool any(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<AnyOf, bool>(ctx, detail::as_reals(leaf(std::forward<X>(x))));
}
/// Whether no element is 0, or false.
template <class Ctx, Shaped X>
[[nodiscard]] bool all(const Ctx& ctx, X&& x) {
  return detail::reduce_to_number<AllOf, bool>(ctx, detail::as_reals(leaf(std::forward<X>(x))));
}

}  // namespace molmo::inline v0
