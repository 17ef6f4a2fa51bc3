// SPDX-License-Identifier: Apache-2.0
// log and log1p for Lanes. Largest error over the whole range, measured against double precision on every float of a
// dense sweep (tests/backend/lanes_math_test.cpp), in units in the last place: log 0.9, log1p 1.5.
//
//   log(x)     x = m 2^k, m in [sqrt(1/2), sqrt(2)), f = m - 1;  k ln 2 + f - f^2 / 2 + f^3 P7(f)
//   log1p(x)   the same of u = 1 + x, where f also gets back what u lost by rounding: f = m - 1 + (x - (u - 1)) / 2^k
// ln 2 is added in two parts, of which k times the first is exact. As in C: log(0) = -inf, log of a negative number is
// NaN, subnormals are right, log1p(-0) = -0. Coefficients: tools/fit_polynomials.py.
#pragma once

#include <molmo/backend/lanes_exp.hpp>

#include <limits>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// x = m 2^k as split_exponent, for every positive finite x; returns m.
template <class A>
MOLMO_INLINE Lanes<A> split_positive(Lanes<A> x, Lanes<A>& k) {
  using V = Lanes<A>;
  const V least = V::broadcast((std::numeric_limits<float>::min)());
  const V m = split_exponent(select_less(x, least, x * V::broadcast(0x1p24f), x), k);
  k = k - select_less(x, least, V::broadcast(24.0f), V::broadcast(0.0f));
  return m;
}

/// k ln 2 + log(1 + f), for f in [sqrt(1/2) - 1, sqrt(2) - 1].
template <class A>
MOLMO_INLINE Lanes<A> log_of_split(Lanes<A> f, Lanes<A> k) {
  constexpr float c[] = {0x1.555554p-2f, -0x1.000228p-2f, 0x1.99a036p-3f, -0x1.5470b6p-3f,
                         0x1.22d3a6p-3f, -0x1.0da06cp-3f, 0x1.058d0ap-3f, -0x1.3818eap-4f};
  using V = Lanes<A>;
  const V s = f * f;
  const V tail = fma(f * s, polynomial(f, c), k * V::broadcast(0x1.7f7d1cp-20f));
  return fma(k, V::broadcast(0x1.62e4p-1f), f + fma(V::broadcast(-0.5f), s, tail));
}

}  // namespace detail::inline MOLMO_ISA

/// The natural logarithm per lane.
template <class A>
MOLMO_INLINE Lanes<A> log(Lanes<A> x) {
  using V = Lanes<A>;
  constexpr float inf = std::numeric_limits<float>::infinity();
  const V zero = V::broadcast(0.0f);
  V k;
  const V m = detail::split_positive(x, k);
  const V y = detail::log_of_split(m - V::broadcast(1.0f), k);
  // inf and NaN stay; below 0: NaN; 0 and -0: -inf
  const V positive = select_less(x, V::broadcast(inf), y, x);
  const V no_more = select_less(x, zero, V::broadcast(std::numeric_limits<float>::quiet_NaN()), V::broadcast(-inf));
  return V(xsimd::select(x.v <= zero.v, no_more.v, positive.v));
}

/// log(1 + x) per lane, as exact for small x as for large ones.
template <class A>
MOLMO_INLINE Lanes<A> log1p(Lanes<A> x) {
  using V = Lanes<A>;
  constexpr float inf = std::numeric_limits<float>::infinity();
  const V one = V::broadcast(1.0f);
  const V u = x + one;
  // x + 1 - u, exact: the smaller of x and 1 less what of it is in u.
  const V lost = select_less(one, x, one - (u - x), x - (u - one));
  V k;
  const V m = split_exponent(u, k);  // u is 0 or at least 2^-24
  const V y = detail::log_of_split((m - one) + scale_by_power_of_2(lost, -k), k);
  const V positive = select_less(x, V::broadcast(inf), with_sign(abs(y), x), x);
  const V no_more =
      select_less(u, V::broadcast(0.0f), V::broadcast(std::numeric_limits<float>::quiet_NaN()), V::broadcast(-inf));
  return V(xsimd::select(x.v <= -one.v, no_more.v, positive.v));
}

}  // namespace molmo::inline v0
