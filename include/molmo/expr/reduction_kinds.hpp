// SPDX-License-Identifier: Apache-2.0
// The kinds of reductions: what becomes of n numbers.
//
//   SumOf MaxOf MinOf              one pass: combine(new, so far), beginning with `identity`
//   MeanOf VarianceOf LogSumExpOf AnyOf AllOf
//                                  made of passes: of(n, pass), where pass(kind) and pass(kind, f) run one over all
//                                  elements or over f of each
// A backend writes the loop of one pass (reduce_row, reduce_all) and has them all. Passes return double.
#pragma once

#include <molmo/expr/functions.hpp>
#include <molmo/expr/kind.hpp>

#include <cmath>
#include <limits>

namespace molmo::inline v0 {

struct SumOf {
  static constexpr const char* name = "sum";
  template <class V>
  static MOLMO_INLINE V combine(V a, V b) {
    return a + b;
  }
  static constexpr double identity = 0;
};
/// The largest; NaN where one is NaN.
struct MaxOf {
  static constexpr const char* name = "max_of";
  template <class V>
  static MOLMO_INLINE V combine(V a, V b) {
    using scalar::larger_or_nan;
    return larger_or_nan(a, b);
  }
  static constexpr double identity = -std::numeric_limits<double>::infinity();
};
/// The smallest; NaN where one is NaN.
struct MinOf {
  static constexpr const char* name = "min_of";
  template <class V>
  static MOLMO_INLINE V combine(V a, V b) {
    using scalar::larger_or_nan;
    return -larger_or_nan(-a, -b);
  }
  static constexpr double identity = std::numeric_limits<double>::infinity();
};
/// The smallest of those that are not NaN.
struct MinNumberOf {
  template <class V>
  static MOLMO_INLINE V combine(V a, V b) {
    using scalar::smaller;
    return smaller(a, b);  // b where a is NaN, and b never is
  }
  static constexpr double identity = std::numeric_limits<double>::infinity();
};

namespace detail::inline MOLMO_ISA {

struct minus_f {
  double m;
  template <class V>
  MOLMO_INLINE V operator()(V v) const {
    return v - constant<V>(m);
  }
};
struct squared_distance_f {
  double m;
  template <class V>
  MOLMO_INLINE V operator()(V v) const {
    return (v - constant<V>(m)) * (v - constant<V>(m));
  }
};
struct exp_minus_f {
  double m;
  template <class V>
  MOLMO_INLINE V operator()(V v) const {
    return exp(v - constant<V>(m));
  }
};

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// sum / n; NaN where n is 0.
struct MeanOf {
  static constexpr const char* name = "mean";
  template <class Pass>
  static MOLMO_HD double of(index_t n, const Pass& pass) {
    return pass(SumOf{}) / static_cast<double>(n);
  }
};
/// The mean squared distance from the mean m (population variance, divided by n). m is found first and then rounded to
/// the type of the pass; what this leaves, d = mean(x - m), is taken away again: mean((x - m)^2) - d^2.
struct VarianceOf {
  static constexpr const char* name = "variance";
  template <class Pass>
  static MOLMO_HD double of(index_t n, const Pass& pass) {
    const double count = static_cast<double>(n);
    const double m = pass(SumOf{}) / count;
    const double d = pass(SumOf{}, detail::minus_f{m}) / count;
    const double v = pass(SumOf{}, detail::squared_distance_f{m}) / count - d * d;
    return v < 0 ? 0 : v;
  }
};
/// log(sum of e^x), with the largest x taken out: nothing overflows. -infinity of nothing, and where all are -infinity.
struct LogSumExpOf {
  static constexpr const char* name = "log_sum_exp";
  template <class Pass>
  static MOLMO_HD double of(index_t, const Pass& pass) {
    const double m = pass(MaxOf{});
    if (!(m - m == 0)) return m;  // an infinity or NaN
    return m + ::log(pass(SumOf{}, detail::exp_minus_f{m}));
  }
};
/// True (1) where an element is not 0 (NaN is not), else false (0).
struct AnyOf {
  static constexpr const char* name = "any";
  static constexpr bool truth = true;
  template <class Pass>
  static MOLMO_HD double of(index_t, const Pass& pass) {
    const double m = pass(MaxOf{}, detail::abs_f{});
    return m > 0 || m != m ? 1 : 0;
  }
};
/// True (1) where no element is 0, also of nothing; else false (0).
struct AllOf {
  static constexpr const char* name = "all";
  static constexpr bool truth = true;
  template <class Pass>
  static MOLMO_HD double of(index_t, const Pass& pass) {
    return pass(MinNumberOf{}, detail::abs_f{}) > 0 ? 1 : 0;
  }
};

}  // inline namespace MOLMO_ISA

namespace detail {

// True of the kinds of one pass.
template <class R>
concept OnePass = requires { R::identity; };

/// What R gives: a real number, or truth.
template <class R>
inline constexpr NumberKind kind_of_reduction = requires { R::truth; } ? NumberKind::boolean : NumberKind::real;

/// The number that R makes of n elements.
template <class R, class Pass>
MOLMO_HD double reduce_by(index_t n, const Pass& pass) {
  if constexpr (OnePass<R>)
    return pass(R{});
  else
    return R::of(n, pass);
}

}  // namespace detail

}  // namespace molmo::inline v0
