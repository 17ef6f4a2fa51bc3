// SPDX-License-Identifier: Apache-2.0
// sin and cos for Lanes. Largest error over the whole range, measured against double precision on every float of a
// dense sweep (tests/backend/lanes_math_test.cpp), in units in the last place: sin 1.6, cos 1.6.
//
//   |x| = k pi/2 + r, |r| <= pi/4;   sin r = r + r^3 S3(r^2),   cos r = 1 - r^2 / 2 + r^4 C3(r^2), as k mod 4 says
// pi/2 is subtracted in parts so short that k times the first ones is exact: r is right to its last bit even where |x|
// is nearly a multiple of pi/2. That holds up to quarter_turns_limit; lanes beyond it get the C library's sinf and
// cosf, one by one. sin(-0) = -0; inf and NaN give NaN. Coefficients: tools/fit_polynomials.py.
#pragma once

#include <molmo/backend/lanes_exp.hpp>

#include <cmath>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// The largest |x| that quarter_turns takes apart.
template <class A>
inline constexpr float quarter_turns_limit = NativeLanes<A>::fused ? 0x1p18f : 0x1p13f;

/// x = k pi/2 + the result, for 0 <= x <= quarter_turns_limit; k whole.
template <class A>
MOLMO_INLINE Lanes<A> quarter_turns(Lanes<A> x, Lanes<A>& k) {
  using V = Lanes<A>;
  k = round_to_integer(x * V::broadcast(0.636619772367581343f));
  const V back = -k;
  if constexpr (NativeLanes<A>::fused) {
    V r = fma(back, V::broadcast(0x1.921fb6p0f), x);  // a multiple of 2^-23 below 1: exact
    r = fma(back, V::broadcast(-0x1.777a5cp-25f), r);
    return fma(back, V::broadcast(-0x1.ee59dap-50f), r);
  } else {  // parts of 11 bits: k times each is exact without fma, too
    const V high = (x + back * V::broadcast(0x1.92p0f)) + back * V::broadcast(0x1.fb4p-12f);
    const V third = back * V::broadcast(0x1.444p-24f);
    const V r = high + third;
    const V lost = (high - r) + third;
    return r + ((lost + back * V::broadcast(0x1.68cp-39f)) + back * V::broadcast(0x1.1a6264p-54f));
  }
}

template <class A>
MOLMO_INLINE Lanes<A> sin_of_eighth(Lanes<A> r) {
  constexpr float c[] = {-0x1.555556p-3f, 0x1.111168p-7f, -0x1.a049ap-13f, 0x1.7783d2p-19f};
  const Lanes<A> s = r * r;
  return fma(r * s, polynomial(s, c), r);
}
template <class A>
MOLMO_INLINE Lanes<A> cos_of_eighth(Lanes<A> r) {
  constexpr float c[] = {0x1.555556p-5f, -0x1.6c174ap-10f, 0x1.a05becp-16f, -0x1.306646p-22f};
  using V = Lanes<A>;
  const V s = r * r;
  return fma(s * s, polynomial(s, c), fma(V::broadcast(-0.5f), s, V::broadcast(1.0f)));
}

/// y where |x| is at most quarter_turns_limit, f(x) elsewhere.
template <class A>
MOLMO_NOINLINE Lanes<A> beyond_quarter_turns(Lanes<A> x, Lanes<A> y, float (*f)(float)) {
  constexpr int size = Lanes<A>::size;
  float from[static_cast<std::size_t>(size)], to[static_cast<std::size_t>(size)];
  x.store(from);
  y.store(to);
  for (int i = 0; i < size; ++i)
    if (::fabsf(from[i]) > quarter_turns_limit<A>) to[i] = f(from[i]);
  return Lanes<A>::load(to);
}

}  // namespace detail::inline MOLMO_ISA

/// sin(x) per lane, x in radians.
template <class A>
MOLMO_INLINE Lanes<A> sin(Lanes<A> x) {
  using V = Lanes<A>;
  const V half = V::broadcast(0.5f), two = V::broadcast(2.0f), one = V::broadcast(1.0f);
  const V magnitude = abs(x);
  V k;
  const V r = detail::quarter_turns(magnitude, k);
  const V h = round_to_integer(k * half);  // k / 2, a half to even
  const V odd = k - two * h;               // 0 for even k, 1 for k = 1 mod 4, -1 for k = 3 mod 4
  const V h_odd = h - two * round_to_integer(h * half);
  const V even_sign = one - two * h_odd * h_odd;  // -1 for k = 2 mod 4
  const V turned = select_less(abs(odd), half, even_sign * detail::sin_of_eighth(r), odd * detail::cos_of_eighth(r));
  const V y = turned * with_sign(one, x);
  if (any_larger(magnitude, V::broadcast(detail::quarter_turns_limit<A>))) [[unlikely]]
    return detail::beyond_quarter_turns<A>(x, y, &::sinf);
  return y;
}

/// cos(x) per lane, x in radians.
template <class A>
MOLMO_INLINE Lanes<A> cos(Lanes<A> x) {
  using V = Lanes<A>;
  const V half = V::broadcast(0.5f), two = V::broadcast(2.0f), one = V::broadcast(1.0f);
  const V magnitude = abs(x);
  V k;
  const V r = detail::quarter_turns(magnitude, k);
  const V h = round_to_integer(k * half);
  const V odd = k - two * h;
  const V h_odd = h - two * round_to_integer(h * half);
  const V even_sign = one - two * h_odd * h_odd;
  const V y = select_less(abs(odd), half, even_sign * detail::cos_of_eighth(r), -odd * detail::sin_of_eighth(r));
  if (any_larger(magnitude, V::broadcast(detail::quarter_turns_limit<A>))) [[unlikely]]
    return detail::beyond_quarter_turns<A>(x, y, &::cosf);
  return y;
}

}  // namespace molmo::inline v0
