// SPDX-License-Identifier: Apache-2.0
// What an expression is. The whole contract:
//
//   enable_expr<E>        opts in (no base class)
//   E::shape              a Shape<...>
//   e.tokens()            length of the token axis, or -1 when e has none
//   e.eval(at)            the value at a position: a number or a SIMD register of neighbours, the same code for both
//   e.erased()            the same expression with run-time sizes: what kernels are instantiated with
//   e.each_leaf(f)        calls f(leaf) for every operand that lies in memory; constexpr, also on E{}
//   E::pointwise          true when e at (r, c) reads its operands at (r, c) only
//   acc_use<E>            optional: whether it reads acc (acc.hpp)
//   E::kind               optional: whether its values are reals (where it is not said), integers or truth (kind.hpp)
// E is trivially copyable and borrows its operands, like a string_view; it may be a CUDA kernel argument.
#pragma once

#include <molmo/core/dtype.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/core/view.hpp>

#include <concepts>
#include <type_traits>

namespace molmo::inline v0 {

/// Specialise to true for a type that keeps the contract above.
template <class E>
inline constexpr bool enable_expr = false;

template <class E>
concept Expr = enable_expr<std::remove_cvref_t<E>>;

/// Statements (matmul, softmax, ...) stand alone on the right of on(ctx, y) = ...; they are no operands.
template <class S>
inline constexpr bool enable_statement = false;

template <class S>
concept Statement = enable_statement<std::remove_cvref_t<S>>;

inline namespace MOLMO_ISA {

/// A position of one number of type F (float or double). `acc` is what a matmul is about to store there.
template <class F>
struct ScalarAt {
  using value = F;
  index_t row = 0, col = 0;
  F acc = 0;

  template <class T>
  MOLMO_INLINE F load(const T* p) const {
    return static_cast<F>(*p);
  }
  template <class T>
  MOLMO_INLINE F splat(T x) const {
    return static_cast<F>(x);
  }
  MOLMO_INLINE bool load(const bool* p) const { return *p; }
  MOLMO_INLINE bool truth(bool x) const { return x; }
};

}  // inline namespace MOLMO_ISA

/// A position of V::size neighbours in one row, V being a backend's register of floats.
template <class V>
struct LanesAt {
  using value = V;
  index_t row = 0, col = 0;
  V acc{};

  template <class T>
  MOLMO_INLINE V load(const T* p) const {
    return V::load(p);
  }
  template <class T>
  MOLMO_INLINE V splat(T x) const {
    return V::broadcast(static_cast<float>(x));
  }
  MOLMO_INLINE auto load(const bool* p) const { return V::mask::load(p); }
  MOLMO_INLINE auto truth(bool x) const { return V::mask::broadcast(x); }
};

/// As LanesAt at the end of a row, where only `count` < V::size neighbours exist.
template <class V>
struct TailAt {
  using value = V;
  index_t row = 0, col = 0;
  int count = 0;
  V acc{};

  template <class T>
  MOLMO_INLINE V load(const T* p) const {
    return V::load(p, count);
  }
  template <class T>
  MOLMO_INLINE V splat(T x) const {
    return V::broadcast(static_cast<float>(x));
  }
  MOLMO_INLINE auto load(const bool* p) const { return V::mask::load(p, count); }
  MOLMO_INLINE auto truth(bool x) const { return V::mask::broadcast(x); }
};

}  // namespace molmo::inline v0
