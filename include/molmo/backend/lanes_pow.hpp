// SPDX-License-Identifier: Apache-2.0
// pow(x, y) = x^y for Lanes. Largest error, measured against double precision on dense sweeps of x and y
// (tests/backend/lanes_math_test.cpp): 1.0 units in the last place, 1.3 without fma.
//
//   |x| = m 2^k, s = (m - 1) / (m + 1);   log2|x| = k + s (2 + 2/3 s^2) / ln 2 + s^5 P2(s^2);   x^y = 2^(y log2|x|)
// A logarithm of 24 bits would leave 17 of the result right, y log2|x| being as large as 150. So s, log2|x| and its
// product with y are pairs of floats, a value and what its rounding left over. Special values are those of C: x^0 = 1
// and 1^y = 1 even for NaN, a negative x has powers for whole y only, else NaN. Coefficients: tools/fit_polynomials.py.
#pragma once

#include <molmo/backend/lanes_log.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// a b - p for p = a b rounded, exactly: from halves of 12 bits (Dekker) where fma may round twice.
template <class A>
MOLMO_INLINE Lanes<A> product_error(Lanes<A> a, Lanes<A> b, Lanes<A> p) {
  if constexpr (NativeLanes<A>::fused) {
    return fma(a, b, -p);
  } else {
    using V = Lanes<A>;
    const xsimd::batch<std::int32_t, A> first_bits(~0xfff);
    const V a_high = as_floats<A>(as_ints<A>(a.v) & first_bits), b_high = as_floats<A>(as_ints<A>(b.v) & first_bits);
    const V a_low = a - a_high, b_low = b - b_high;
    return ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low;
  }
}

/// log2(x) as the sum of the result and `rest`, for positive finite x.
template <class A>
MOLMO_INLINE Lanes<A> log2_in_two(Lanes<A> x, Lanes<A>& rest) {
  using V = Lanes<A>;
  constexpr float c[] = {0x1.27770ep-1f, 0x1.a5bbfcp-2f, 0x1.59edb4p-2f};
  const V one = V::broadcast(1.0f);
  const V c0 = V::broadcast(0x1.715476p1f), c0_rest = V::broadcast(0x1.4ae0cp-25f);     // 2 / ln 2
  const V c2 = V::broadcast(0x1.ec709ep-1f), c2_rest = V::broadcast(-0x1.e2fe02p-28f);  // 2/3 / ln 2
  V k;
  const V m = split_positive(x, k);
  // s = (m - 1) / (m + 1)
  const V f = m - one, d = m + one;
  const V d_rest = m - (d - one);
  const V s = f / d;
  const V sd = s * d;
  const V s_rest = ((f - sd) - product_error(s, d, sd) - s * d_rest) / d;
  // t = s^2
  const V t = s * s;
  const V t_rest = product_error(s, s, t) + (s + s) * s_rest;
  // v = c0 + c2 t + t^2 P2(t)
  const V w = c2 * t;
  const V w_rest = fma(t * t, polynomial(t, c), product_error(c2, t, w) + fma(c2_rest, t, c2 * t_rest));
  const V v = c0 + w;
  const V v_rest = (w - (v - c0)) + (c0_rest + w_rest);
  // k + s v
  const V p = s * v;
  const V p_rest = product_error(s, v, p) + fma(s, v_rest, s_rest * v);
  const V first = k + p;  // |k| >= 1 > |p|, or k = 0
  const V second = (p - (first - k)) + p_rest;
  const V both = first + second;
  rest = second - (both - first);
  return both;
}

/// 2^(z + rest), for |rest| far below |z|.
template <class A>
MOLMO_INLINE Lanes<A> exp2_of_two(Lanes<A> z, Lanes<A> rest) {
  using V = Lanes<A>;
  const V limit = V::broadcast(200.0f);  // beyond: 0 and inf
  const V held = larger(-limit, smaller(limit, z));
  const V n = round_to_integer(held);
  const V r = (held - n) + select_less(abs(z), limit, rest, V::broadcast(0.0f));
  return scale_by_power_of_2(fma(r, polynomial(r, exp2_coefficients), V::broadcast(1.0f)), n);
}

}  // namespace detail::inline MOLMO_ISA

/// x^y per lane.
template <class A>
MOLMO_INLINE Lanes<A> pow(Lanes<A> x, Lanes<A> y) {
  using V = Lanes<A>;
  constexpr float infinite = std::numeric_limits<float>::infinity();
  const V zero = V::broadcast(0.0f), one = V::broadcast(1.0f), inf = V::broadcast(infinite);
  const V nan = V::broadcast(std::numeric_limits<float>::quiet_NaN());
  const V magnitude = abs(x);

  const V most = V::broadcast(0x1p40f);  // |log2|x|| is 0 or above 2^-25: larger powers are 0, 1 or inf as well
  const V held = larger(-most, smaller(most, y));
  V log2_rest;
  const V log2 = detail::log2_in_two(magnitude, log2_rest);
  const V z = log2 * held;
  const V power = detail::exp2_of_two(z, fma(log2_rest, held, detail::product_error(log2, held, z)));

  const V half = y * V::broadcast(0.5f);
  const auto whole = round_to_integer(y).v == y.v;
  const auto even = round_to_integer(half).v == half.v;
  const V of_negative = V(xsimd::select(whole, power.v, nan.v));
  const V of_finite = select_less(x, zero, of_negative, power);
  const V of_any = select_less(magnitude, inf, of_finite, select_less(y, zero, zero, inf));
  const V unsigned_power = V(xsimd::select(magnitude.v == zero.v, select_less(y, zero, inf, zero).v, of_any.v));
  const V negative = select_less(with_sign(one, x), zero, -unsigned_power, unsigned_power);
  const V odd_or_not = V(xsimd::select(whole, xsimd::select(even, unsigned_power.v, negative.v), unsigned_power.v));

  const V with_nan = V(xsimd::select(x.v == x.v, xsimd::select(y.v == y.v, odd_or_not.v, y.v), x.v));
  const V unless_one = V(xsimd::select(x.v == one.v, one.v, with_nan.v));
  return V(xsimd::select(y.v == zero.v, one.v, unless_one.v));
}

}  // namespace molmo::inline v0
