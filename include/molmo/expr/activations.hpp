// SPDX-License-Identifier: Apache-2.0
// The activations of networks on expressions.
//
//   sigmoid(x) = 1 / (1 + e^-x)                  silu(x) = x sigmoid(x)          quick_gelu(x) = x sigmoid(1.702 x)
//   gelu(x) = x/2 (1 + erf(x / sqrt 2))          gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
//   relu(x) = max(0, x)                          softplus(x) = log(1 + e^x)      softcap(x, c) = c tanh(x / c)
// What such a struct holds is said in expr/functions.hpp. Hendrycks and Gimpel 2016 (GELU), Elfwing et al. 2017 (SiLU).
#pragma once

#include <molmo/expr/functions.hpp>

namespace molmo::inline v0 {
namespace detail {

struct sigmoid_f {
  static constexpr const char* name = "sigmoid";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(1) / (constant<V>(1) + exp(-x));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V, D& dx) const {
    dx = g * y * (constant<V>(1) - y);
  }
};
struct silu_f {
  static constexpr const char* name = "silu";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return x / (constant<V>(1) + exp(-x));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V x, D& dx) const {
    const V s = sigmoid_f{}(x);  // its exp is that of the value: compilers calculate it once
    dx = g * (s + y * (constant<V>(1) - s));
  }
};
struct quick_gelu_f {
  static constexpr const char* name = "quick_gelu";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return x / (constant<V>(1) + exp(constant<V>(-1.702) * x));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V y, V x, D& dx) const {
    const V s = constant<V>(1) / (constant<V>(1) + exp(constant<V>(-1.702) * x));
    dx = g * (s + constant<V>(1.702) * y * (constant<V>(1) - s));
  }
};
struct gelu_f {
  static constexpr const char* name = "gelu";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return constant<V>(0.5) * x * (constant<V>(1) + erf(x * constant<V>(0.70710678118654752440)));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    const V below = constant<V>(0.5) * (constant<V>(1) + erf(x * constant<V>(0.70710678118654752440)));
    const V density = constant<V>(0.39894228040143267794) * exp(constant<V>(-0.5) * (x * x));  // 1 / sqrt(2 pi)
    dx = g * (below + x * density);
  }
};
struct gelu_tanh_f {
  static constexpr const char* name = "gelu_tanh";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    const V inner = constant<V>(0.79788456080286535588) * (x + constant<V>(0.044715) * x * x * x);
    return constant<V>(0.5) * x * (constant<V>(1) + tanh(inner));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    const V one = constant<V>(1), half = constant<V>(0.5), scale = constant<V>(0.79788456080286535588);
    const V t = tanh(scale * (x + constant<V>(0.044715) * x * x * x));
    const V inner_slope = scale * (one + constant<V>(3 * 0.044715) * x * x);
    dx = g * (half * (one + t) + half * x * (one - t * t) * inner_slope);
  }
};
// The slope at 0 is 0.
struct relu_f {
  static constexpr const char* name = "relu";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return larger(constant<V>(0), x);
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    const V zero = constant<V>(0);
    dx = select_less(zero, x, g, select_less(x, constant<V>(1), zero, g));  // NaN: g
  }
};
// Never e^x of a large x: log(1 + e^x) = max(x, 0) + log(1 + e^-|x|).
struct softplus_f {
  static constexpr const char* name = "softplus";
  template <class V>
  MOLMO_INLINE V operator()(V x) const {
    return larger(constant<V>(0), x) + log1p(exp(-abs(x)));
  }
  template <class V, class D>
  MOLMO_INLINE void pull(V g, V, V x, D& dx) const {
    dx = g * sigmoid_f{}(x);
  }
};
struct softcap_f {
  static constexpr const char* name = "softcap";
  template <class V>
  MOLMO_INLINE V operator()(V x, V cap) const {
    return cap * tanh(x / cap);
  }
  template <class V, class D, class C>
  MOLMO_INLINE void pull(V g, V y, V x, V cap, D& dx, C& dcap) const {
    const V t = y / cap;
    const V slope = constant<V>(1) - t * t;
    dx = g * slope;
    dcap = g * (t - x / cap * slope);
  }
};

}  // namespace detail

inline namespace MOLMO_ISA {

/// 1 / (1 + e^-x).
template <Shaped A>
[[nodiscard]] constexpr auto sigmoid(A&& a) {
  return detail::map<detail::sigmoid_f>(leaf(std::forward<A>(a)));
}
/// x / (1 + e^-x), also called swish.
template <Shaped A>
[[nodiscard]] constexpr auto silu(A&& a) {
  return detail::map<detail::silu_f>(leaf(std::forward<A>(a)));
}
/// The exact GELU, with erf.
template <Shaped A>
[[nodiscard]] constexpr auto gelu(A&& a) {
  return detail::map<detail::gelu_f>(leaf(std::forward<A>(a)));
}
/// GELU by tanh: gelu_new and gelu_pytorch_tanh of Hugging Face.
template <Shaped A>
[[nodiscard]] constexpr auto gelu_tanh(A&& a) {
  return detail::map<detail::gelu_tanh_f>(leaf(std::forward<A>(a)));
}
/// GELU by sigmoid, as CLIP has it.
template <Shaped A>
[[nodiscard]] constexpr auto quick_gelu(A&& a) {
  return detail::map<detail::quick_gelu_f>(leaf(std::forward<A>(a)));
}
/// max(0, x); NaN stays NaN.
template <Shaped A>
[[nodiscard]] constexpr auto relu(A&& a) {
  return detail::map<detail::relu_f>(leaf(std::forward<A>(a)));
}
/// log(1 + e^x), without overflow: PyTorch's, but for x > 20, where that gives x itself, less by e^-x < 2.1e-9.
template <Shaped A>
[[nodiscard]] constexpr auto softplus(A&& a) {
  return detail::map<detail::softplus_f>(leaf(std::forward<A>(a)));
}
/// Logits held inside (-cap, cap): cap * tanh(x / cap).
template <Shaped A>
[[nodiscard]] constexpr auto softcap(A&& a, double cap) {
  return detail::map<detail::softcap_f>(leaf(std::forward<A>(a)), Scalar<double>{cap});
}

}  // namespace MOLMO_ISA

}  // namespace molmo::inline v0
