// SPDX-License-Identifier: Apache-2.0
// exp, exp2, expm1, tanh and erf for Lanes. Largest error over the whole range, measured against double precision on
// every float of a dense sweep (tests/backend/lanes_math_test.cpp), in units in the last place: exp 1.0, exp2 1.2,
// expm1 1.4, tanh 1.4, erf 1.2.
//
//   exp(x)   x = n ln 2 + r, |r| <= ln 2 / 2;  e^r = 1 + r + r^2 P4(r);  times 2^n. Right in the subnormals, inf, NaN.
//   exp2(x)  x = n + r, |r| <= 1/2;  2^r = 1 + r P5(r);  times 2^n
//   expm1(x) with the n and r of exp:  2^n (r + r^2 P5(r)) + (2^n - 1), where n = 0 leaves the first term alone
//   tanh(x)  |x| < 0.625: x + x^3 Q4(x^2);  else 1 - 2 / (e^(2|x|) + 1)
//   erf(x)   |x| < 0.92: x + x E6(x^2);     else 1 - e^-(t + t G6(t)), t = smaller(|x|, 3.95)
// The coefficients are our own near-minimax fits, rounded to float; those of exp2 and expm1 come from
// tools/fit_polynomials.py.
#pragma once

#include <molmo/backend/lanes.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

// c[0] + c[1] x + ... by Horner's rule.
template <class A, int N>
MOLMO_INLINE Lanes<A> polynomial(Lanes<A> x, const float (&c)[N]) {
  Lanes<A> y = Lanes<A>::broadcast(c[N - 1]);
  MOLMO_UNROLL
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, Lanes<A>::broadcast(c[i]));
  return y;
}

/// (2^r - 1) / r for |r| <= 1/2.
inline constexpr float exp2_coefficients[] = {0x1.62e43p-1f,  0x1.ebfb94p-3f, 0x1.c6af9ep-5f,
                                              0x1.3b6818p-7f, 0x1.5ef4ep-10f, 0x1.1797ecp-13f};

}  // namespace detail::inline MOLMO_ISA

/// e^x per lane.
template <class A>
MOLMO_INLINE Lanes<A> exp(Lanes<A> x) {
  constexpr float c[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239e4p-7f, 0x1.6a2430p-10f};
  using V = Lanes<A>;
  const V held =
      larger(V::broadcast(-104.0f), smaller(V::broadcast(89.0f), x));  // beyond: 0 and inf all the same; NaN -> x
  const V n = round_to_integer(held * V::broadcast(1.44269504088896341f));
  // ln 2 in two parts; the first has few bits, so that n times it is exact.
  const V r = fma(n, V::broadcast(-1.42860682e-6f), fma(n, V::broadcast(-0.693145752f), held));
  const V e = fma(r * r, detail::polynomial(r, c), r) + V::broadcast(1.0f);
  return scale_by_power_of_2(e, n);
}

/// 2^x per lane; exact for whole x.
template <class A>
MOLMO_INLINE Lanes<A> exp2(Lanes<A> x) {
  using V = Lanes<A>;
  const V held = larger(V::broadcast(-151.0f), smaller(V::broadcast(129.0f), x));  // beyond: 0 and inf; NaN -> x
  const V n = round_to_integer(held);
  const V r = held - n;
  return scale_by_power_of_2(fma(r, detail::polynomial(r, detail::exp2_coefficients), V::broadcast(1.0f)), n);
}

/// e^x - 1 per lane, as exact for small x as for large ones; -0 stays -0.
template <class A>
MOLMO_INLINE Lanes<A> expm1(Lanes<A> x) {
  constexpr float c[] = {0x1p-1f, 0x1.55552cp-3f, 0x1.555502p-5f, 0x1.1155acp-7f, 0x1.6d2e4ep-10f, 0x1.3b8026p-13f};
  using V = Lanes<A>;
  const V one = V::broadcast(1.0f), most = V::broadcast(127.0f);
  const V held = larger(V::broadcast(-30.0f), smaller(V::broadcast(89.0f), x));  // beyond: -1 and inf
  const V n = round_to_integer(held * V::broadcast(1.44269504088896341f));
  const V r = fma(n, V::broadcast(-1.42860682e-6f), fma(n, V::broadcast(-0.693145752f), held));
  const V p = fma(r * r, detail::polynomial(r, c), r);
  const V power = scale_by_power_of_2(one, smaller(most, n));
  const V y = fma(p, power, power - one) * select_less(most, n, V::broadcast(2.0f), one);  // 2^128 is no float
  return select_less(x, V::broadcast(0.0f), y, with_sign(abs(y), x));                      // x = -0
}

/// tanh(x) per lane.
template <class A>
MOLMO_INLINE Lanes<A> tanh(Lanes<A> x) {
  constexpr float c[] = {-0x1.555532p-2f, 0x1.110726p-3f, -0x1.b83c5ap-5f, 0x1.52269ep-6f, -0x1.75e1dcp-8f};
  using V = Lanes<A>;
  const V t = abs(x);
  const V s = x * x;
  const V near_0 = fma(x * s, detail::polynomial(s, c), x);
  const V big = V::broadcast(1.0f) - V::broadcast(2.0f) / (exp(t + t) + V::broadcast(1.0f));
  return select_less(t, V::broadcast(0.625f), near_0, with_sign(big, x));
}

/// erf(x) per lane.
template <class A>
MOLMO_INLINE Lanes<A> erf(Lanes<A> x) {
  constexpr float near_zero[] = {0x1.06eba8p-3f, -0x1.812742p-2f,  0x1.ce2e0ap-4f, -0x1.b80e94p-6f,
                                 0x1.54c806p-8f, -0x1.aa3fb0p-11f, 0x1.5cd622p-14f};
  constexpr float far_from_zero[] = {0x1.0778dcp-3f, 0x1.45328ep-1f,   0x1.b32574p-4f, -0x1.85515ep-6f,
                                     0x1.dd6cdap-9f, -0x1.527c6cp-12f, 0x1.78dd98p-17f};
  using V = Lanes<A>;
  const V t = smaller(V::broadcast(3.95f), abs(x));  // NaN stays
  const V s = x * x;
  const V near_0 = fma(x, detail::polynomial(s, near_zero), x);
  const V big = V::broadcast(1.0f) - exp(-fma(t, detail::polynomial(t, far_from_zero), t));
  return select_less(t, V::broadcast(0.92f), near_0, with_sign(big, x));
}

}  // namespace molmo::inline v0
