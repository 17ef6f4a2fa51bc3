// SPDX-License-Identifier: Apache-2.0
// PackMask<N>: which elements of a Pack<N> hold a condition, and how packs of bytes and integers are read and written:
// in pieces of up to 16 bytes, as wide as their elements allow.
#pragma once

#include <molmo/expr/compare.hpp>

namespace molmo::inline v0 {
namespace detail {

/// N neighbours that one thread moves at once; their address is a multiple of their size, up to 16.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Piece {
  T v[N];
};

}  // namespace detail

/// One bool for each element of a pack.
template <int N>
struct PackMask {
  static constexpr int size = N;
  bool v[N];

  PackMask() = default;
  MOLMO_INLINE PackMask(const detail::IntegerMask<N>& m) {
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) v[i] = m[i];
  }
  MOLMO_INLINE static PackMask broadcast(bool x) {
    PackMask out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = x;
    return out;
  }
  // f of each pair of elements.
  template <class F, class T>
  MOLMO_INLINE static PackMask of(F f, const T (&a)[N], const T (&b)[N]) {
    PackMask out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = f(a[i], b[i]);
    return out;
  }
  MOLMO_INLINE static PackMask load(const bool* p) {
    const auto piece = *reinterpret_cast<const detail::Piece<bool, N>*>(p);
    PackMask out;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out.v[i] = piece.v[i];
    return out;
  }
  MOLMO_INLINE void store(bool* p) const {
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) p[i] = v[i];
  }

  MOLMO_INLINE friend PackMask operator&&(const PackMask& a, const PackMask& b) {
    return of(detail::and_f{}, a.v, b.v);
  }
  MOLMO_INLINE friend PackMask operator||(const PackMask& a, const PackMask& b) { return of(detail::or_f{}, a.v, b.v); }
  MOLMO_INLINE friend PackMask operator!(const PackMask& a) { return a != broadcast(true); }
  MOLMO_INLINE friend PackMask operator==(const PackMask& a, const PackMask& b) {
    return of(detail::equal_f{}, a.v, b.v);
  }
  MOLMO_INLINE friend PackMask operator!=(const PackMask& a, const PackMask& b) {
    return of(detail::unequal_f{}, a.v, b.v);
  }
  /// Per element: c ? a : b.
  MOLMO_INLINE friend PackMask select(const PackMask& c, const PackMask& a, const PackMask& b) {
    return (c && a) || (!c && b);
  }
  MOLMO_INLINE friend bool any(const PackMask& a) {
    bool out = false;
    MOLMO_UNROLL
    for (int i = 0; i < N; ++i) out = out || a.v[i];
    return out;
  }
  MOLMO_INLINE friend bool all(const PackMask& a) { return !any(!a); }
};

}  // namespace molmo::inline v0
