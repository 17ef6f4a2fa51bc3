// SPDX-License-Identifier: Apache-2.0
// The functions of numbers under the names that bodies of expressions use, and constant<V>: what makes one body serve
// numbers and SIMD registers alike.
//
//   template <class V> V operator()(V x) const { return x / (constant<V>(1) + exp(-x)); }
// The body calls exp, log, ...; argument-dependent look-up finds those of a register (backend/lanes_math.hpp,
// backend/cuda_pack.hpp), a using-declaration those below. For float and double they are the C library's: the oracle.
#pragma once

#include <molmo/core/platform.hpp>

#include <cmath>
#include <type_traits>

namespace molmo::inline v0 {
namespace scalar::inline MOLMO_ISA {

MOLMO_HD inline float exp(float x) { return ::expf(x); }
MOLMO_HD inline double exp(double x) { return ::exp(x); }
MOLMO_HD inline float exp2(float x) { return ::exp2f(x); }
MOLMO_HD inline double exp2(double x) { return ::exp2(x); }
MOLMO_HD inline float expm1(float x) { return ::expm1f(x); }
MOLMO_HD inline double expm1(double x) { return ::expm1(x); }
MOLMO_HD inline float log(float x) { return ::logf(x); }
MOLMO_HD inline double log(double x) { return ::log(x); }
MOLMO_HD inline float log1p(float x) { return ::log1pf(x); }
MOLMO_HD inline double log1p(double x) { return ::log1p(x); }
MOLMO_HD inline float pow(float x, float y) { return ::powf(x, y); }
MOLMO_HD inline double pow(double x, double y) { return ::pow(x, y); }
MOLMO_HD inline float sin(float x) { return ::sinf(x); }
MOLMO_HD inline double sin(double x) { return ::sin(x); }
MOLMO_HD inline float cos(float x) { return ::cosf(x); }
MOLMO_HD inline double cos(double x) { return ::cos(x); }
MOLMO_HD inline float tanh(float x) { return ::tanhf(x); }
MOLMO_HD inline double tanh(double x) { return ::tanh(x); }
MOLMO_HD inline float erf(float x) { return ::erff(x); }
MOLMO_HD inline double erf(double x) { return ::erf(x); }
MOLMO_HD inline float sqrt(float x) { return ::sqrtf(x); }
MOLMO_HD inline double sqrt(double x) { return ::sqrt(x); }
MOLMO_HD inline float abs(float x) { return ::fabsf(x); }
MOLMO_HD inline double abs(double x) { return ::fabs(x); }
MOLMO_HD inline float floor(float x) { return ::floorf(x); }
MOLMO_HD inline double floor(double x) { return ::floor(x); }
MOLMO_HD inline float ceil(float x) { return ::ceilf(x); }
MOLMO_HD inline double ceil(double x) { return ::ceil(x); }
// The nearest whole number, a half to the even one (in the default rounding mode, in which the library runs).
MOLMO_HD inline float round_to_integer(float x) { return ::rintf(x); }
MOLMO_HD inline double round_to_integer(double x) { return ::rint(x); }
MOLMO_HD inline float larger(float a, float b) { return a > b ? a : b; }
MOLMO_HD inline double larger(double a, double b) { return a > b ? a : b; }
// NaN where either is: what a reduction needs, in which an element may not vanish.
MOLMO_HD inline float larger_or_nan(float a, float b) { return a > b || a != a ? a : b; }
MOLMO_HD inline double larger_or_nan(double a, double b) { return a > b || a != a ? a : b; }
MOLMO_HD inline float smaller(float a, float b) { return a < b ? a : b; }
MOLMO_HD inline double smaller(double a, double b) { return a < b ? a : b; }
// x < limit ? yes : no; NaN is not less.
MOLMO_HD inline float select_less(float x, float limit, float yes, float no) { return x < limit ? yes : no; }
MOLMO_HD inline double select_less(double x, double limit, double yes, double no) { return x < limit ? yes : no; }

}  // namespace scalar::inline MOLMO_ISA

/// A constant for the body of a pointwise function: a number or a register of it, whichever V is.
template <class V>
MOLMO_INLINE V constant(double c) {
  if constexpr (std::is_floating_point_v<V>)
    return static_cast<V>(c);
  else
    return V::broadcast(static_cast<float>(c));
}

namespace detail {

using scalar::abs;
using scalar::ceil;
using scalar::cos;
using scalar::erf;
using scalar::exp;
using scalar::exp2;
using scalar::expm1;
using scalar::floor;
using scalar::larger;
using scalar::log;
using scalar::log1p;
using scalar::pow;
using scalar::round_to_integer;
using scalar::select_less;
using scalar::sin;
using scalar::smaller;
using scalar::sqrt;
using scalar::tanh;

/// The sink of a gradient that nobody asked for: see expr/gradient.hpp. What a pull assigns to it is not calculated.
struct Ignored {
  template <class V>
  MOLMO_INLINE void operator=(const V&) {}
};
template <class D>
inline constexpr bool is_wanted = !std::is_same_v<D, Ignored>;

}  // namespace detail

}  // namespace molmo::inline v0
