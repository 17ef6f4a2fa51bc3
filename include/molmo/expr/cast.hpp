// SPDX-License-Identifier: Apache-2.0
// cast<T>(e): e as numbers of type T. The only way from integers to reals and back.
//
//   cast<float>(ids)            the nearest float
//   cast<std::int32_t>(x)       truncated toward zero; beyond the range its nearest end; NaN gives 0
//   cast<std::int8_t>(ids)      the low bits (two's complement)
//   cast<bf16>(x)               rounded to bf16, and calculated with as float again
//   cast<float>(c)              1 where c holds, else 0;      cast<bool>(x) is x != 0
// Reals are calculated with in float or double, integers in 64 bits, whatever T is: T says which values there are.
#pragma once

#include <molmo/expr/where.hpp>

namespace molmo::inline v0 {
namespace detail {

inline namespace MOLMO_ISA {

/// x as a T: truncated toward zero, the nearest T where it is outside, 0 for NaN.
template <class T, class F>
MOLMO_INLINE constexpr std::int64_t truncated(F x) {
  constexpr std::int64_t half = std::int64_t{1} << (8 * sizeof(T) - (std::is_signed_v<T> ? 2 : 1));
  constexpr std::int64_t most = half - 1 + half;  // (std::numeric_limits is not for the device)
  constexpr std::int64_t least = std::is_signed_v<T> ? -most - 1 : 0;
  constexpr F beyond = static_cast<F>(half) * 2;  // most + 1, a power of 2
  if (x != x) return 0;
  if (x >= beyond) return most;
  if (x <= static_cast<F>(least)) return least;
  return static_cast<std::int64_t>(x);
}

/// x rounded to a T and back.
template <class T, class F>
MOLMO_INLINE F rounded_to(F x) {
  if constexpr (sizeof(T) >= sizeof(F))
    return x;
  else if constexpr (std::is_same_v<T, float>)
    return static_cast<F>(static_cast<float>(x));
  else
    return static_cast<F>(static_cast<float>(T(static_cast<float>(x))));
}

/// f of each float of a register, as an array of numbers.
template <class V, class To, class F>
MOLMO_INLINE void each_of(const V& x, To* out, F f) {
  alignas(64) float lane[static_cast<std::size_t>(V::size)];
  x.store(lane);
  for (int i = 0; i < V::size; ++i) out[i] = f(lane[i]);
}

}  // inline namespace MOLMO_ISA

template <class V>
inline constexpr bool is_integers = false;
template <int N>
inline constexpr bool is_integers<Integers<N>> = true;

template <class T>
struct cast_f {
  static constexpr Takes takes = Takes::any;
  static constexpr NumberKind result = kind_of_element<T>;
  static constexpr const char* name = [] {
    if constexpr (std::is_same_v<T, bool>)
      return "cast<bool>";
    else if constexpr (std::is_same_v<T, float>)
      return "cast<float>";
    else if constexpr (std::is_same_v<T, double>)
      return "cast<double>";
    else if constexpr (std::is_same_v<T, bf16>)
      return "cast<bf16>";
    else if constexpr (std::is_same_v<T, f16>)
      return "cast<f16>";
    else if constexpr (std::is_unsigned_v<T>)
      return "cast<std::uint8_t>";
    else
      return sizeof(T) == 1   ? "cast<std::int8_t>"
             : sizeof(T) == 2 ? "cast<std::int16_t>"
             : sizeof(T) == 4 ? "cast<std::int32_t>"
                              : "cast<std::int64_t>";
  }();
  static constexpr bool converts = true;  ///< called with the type of its result

  template <class Out, class V>
  MOLMO_INLINE static Out to(const V& x) {
    static_assert(!std::is_same_v<T, double> || std::is_same_v<Out, double>,
                  "molmo: cast<double>(e) stands in a pass in double: store it in doubles, or beside a double operand");
    constexpr bool from_real = std::is_floating_point_v<V> || requires { typename V::mask; };
    if constexpr (is_real<T>)
      return to_real<Out, from_real>(x);
    else if constexpr (is_integer<T>)
      return to_integers<Out, from_real>(x);
    else if constexpr (std::is_same_v<Out, V>)
      return x;
    else
      return x != zero<V>();
  }

  // Among reals: a rounding, through which gradients pass as they are.
  template <class V>
  MOLMO_INLINE V operator()(const V& x) const {
    return to<V>(x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V, D& dx) const {
    dx = g;
  }

 private:
  template <class V>
  MOLMO_INLINE static V zero() {
    if constexpr (std::is_floating_point_v<V>)
      return V(0);
    else
      return V::broadcast(0);
  }
  template <class Out>
  MOLMO_INLINE static Out real(double x) {
    if constexpr (std::is_floating_point_v<Out>)
      return static_cast<Out>(x);
    else
      return Out::broadcast(static_cast<float>(x));
  }

  template <class Out, bool FromReal, class V>
  MOLMO_INLINE static Out to_real(const V& x) {
    if constexpr (is_integers<V>) {
      if constexpr (std::is_floating_point_v<Out>) {
        if constexpr (sizeof(T) >= sizeof(Out))
          return static_cast<Out>(x[0]);
        else  // not by way of a double, which would round twice
          return static_cast<Out>(rounded_to<T>(static_cast<float>(x[0])));
      } else if constexpr (sizeof(T) >= sizeof(float) && requires { Out::of(x); }) {
        return Out::of(x);
      } else {
        alignas(64) float lane[static_cast<std::size_t>(Out::size)];
        for (int i = 0; i < Out::size; ++i) lane[i] = rounded_to<T>(static_cast<float>(x[i]));
        return Out::load(lane);
      }
    } else if constexpr (!FromReal) {
      return select(x, real<Out>(1), real<Out>(0));
    } else if constexpr (std::is_floating_point_v<Out>) {
      return rounded_to<T>(x);
    } else if constexpr (sizeof(T) >= sizeof(float)) {
      return x;
    } else {
      alignas(64) float lane[static_cast<std::size_t>(Out::size)];
      each_of(x, lane, [](float a) { return rounded_to<T>(a); });
      return Out::load(lane);
    }
  }

  template <class Out, bool FromReal, class V>
  MOLMO_INLINE static Out to_integers(const V& x) {
    if constexpr (is_integers<V>) {
      return Out::each([&](int i) { return static_cast<std::int64_t>(static_cast<T>(x[i])); });
    } else if constexpr (!FromReal) {
      return select(x, Out::broadcast(1), Out::broadcast(0));
    } else if constexpr (std::is_floating_point_v<V>) {
      return Out::broadcast(truncated<T>(x));
    } else {
      std::int64_t whole[Out::size];
      each_of(x, whole, [](float a) { return truncated<T>(a); });
      return Out::load(whole);
    }
  }
};

// What asks whether elements are 0 or not reads conditions and integers as 1 and 0.
template <class E>
[[nodiscard]] constexpr auto as_reals(const E& e) {
  if constexpr (kind_of<E> == NumberKind::boolean)
    return map<cast_f<float>>(e);
  else if constexpr (kind_of<E> == NumberKind::integer)
    return map<cast_f<float>>(combine<unequal_f>(e, Scalar<std::int64_t>{0}));
  else
    return e;
}

}  // namespace detail

inline namespace MOLMO_ISA {

/// e as numbers of type T, one of the element types.
template <class T, Shaped A>
[[nodiscard]] constexpr auto cast(A&& a) {
  static_assert(is_element<T>,
                "molmo: cast<T>(e): T is float, double, bf16, f16, bool or an integer that expressions "
                "read (std::int8_t ... std::int64_t, std::uint8_t)");
  return detail::map<detail::cast_f<T>>(leaf(std::forward<A>(a)));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
