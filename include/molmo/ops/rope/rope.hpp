// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Su et al. 2021), the half-split pairing of all Hugging Face checkpoints: element i of a
// head pairs with element i + head_dim / 2,
//
//   y[i] = x[i] cos - x[i + half] sin        y[i + half] = x[i + half] cos + x[i] sin
//   on(cpu, heads<16>(q)) = rope(heads<16>(q), cosines, sines);
// with the cos and sin of position * inv_freq[i] from a table (frequencies.hpp). The result may go to another place
// with another layout: keys are rotated straight into the KV cache. The loop below is the meaning; its speed is in
// cpu.hpp.
#pragma once

#include <molmo/core/axes.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>

namespace molmo::inline v0 {

/// Heads to rotate: x[token][head][head_dim] with x_token and x_head elements from one to the next; y likewise.
struct RopeHeads {
  const float* x = nullptr;
  float* y = nullptr;  ///< may be x
  index_t tokens = 0, heads = 0, head_dim = 0;
  index_t x_token = 0, x_head = 0;
  index_t y_token = 0, y_head = 0;
  const float* cosines = nullptr;  ///< [tokens][head_dim / 2]
  const float* sines = nullptr;
};

/// The meaning.
inline void rope(const Reference&, const RopeHeads& a) {
  const index_t half = a.head_dim / 2;
  for (index_t t = 0; t < a.tokens; ++t)
    for (index_t h = 0; h < a.heads; ++h) {
      const float* x = a.x + t * a.x_token + h * a.x_head;
      float* y = a.y + t * a.y_token + h * a.y_head;
      for (index_t i = 0; i < half; ++i) {
        const float c = a.cosines[t * half + i], s = a.sines[t * half + i];
        const float low = x[i], high = x[i + half];
        y[i] = low * c - high * s;
        y[i + half] = high * c + low * s;
      }
    }
}
/// Xsimd without the header of its loop.
template <class Late = void>
void rope(const FastCpu&, const RopeHeads&) {
  static_assert(detail::never<Late>,
                "molmo: Xsimd has a fast rope in <molmo/ops/rope/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

/// rope(x, cosines, sines): what does not fit. The shapes are [n, H, d] or [n, d], [n, d / 2] and [n, d / 2].
template <class X, class Cosines, class Sines>
struct rope_mismatch {
  static_assert(detail::never<X>,
                "molmo: rope(x, cosines, sines) needs floats x [n, heads, d] or [n, d] and tables [n, d / 2]; see "
                "rope_mismatch<x, cosines, sines>");
};
template <class X, class Cosines, class Sines>
inline constexpr bool enable_statement<rope_mismatch<X, Cosines, Sines>> = true;

namespace detail::inline MOLMO_ISA {

// Do these views fit together?
template <class X, class C, class S>
constexpr bool rope_fits() {
  constexpr Axes x = axes_of<typename X::shape>, c = axes_of<typename C::shape>;
  return std::is_same_v<typename X::element, float> && std::is_same_v<typename C::element, float> &&
         std::is_same_v<C, S> && C::dense && (x.rank == 2 || x.rank == 3) && c.rank == 2 && x.size[0] == c.size[0] &&
         X::shape::cols == 2 * C::shape::cols;
}

/// The statement.
template <class X, class C>
struct [[nodiscard]] Rope {
  X x;
  C cosines, sines;

  template <class Ctx, class T, class S, index_t R, index_t O>
  void run(const Ctx& ctx, const View<T, S, Host, R, O>& y) const {
    if constexpr (!std::is_same_v<S, typename X::shape>) {
      [[maybe_unused]] statement_mismatch<S, typename X::shape> wrong;
    } else {
      static_assert(std::is_same_v<T, float>, "molmo: the target of rope(x, cosines, sines) is float, like x");
      constexpr index_t heads = rows_per_entry<S>;
      const index_t tokens = x.rows() / heads;
      expects(y.rows() == x.rows() && cosines.rows() == tokens && sines.rows() == tokens,
              "molmo: on(ctx, y) = rope(x, cosines, sines): y, x and the tables have different numbers of tokens");
      expects(rows_apart(y), "molmo: on(ctx, y) = rope(x, ...): rows of y overlap, or lie in another order");
      expects((apart(y, x) || same_place(y, x)) && apart(y, cosines) && apart(y, sines),
              "molmo: on(ctx, y) = rope(x, cosines, sines): y overlaps x at another index, or a table; write to x "
              "itself or to another tensor");
      rope(ctx, RopeHeads{x.data, y.data, tokens, heads, S::cols, x.outer(), x.stride(), y.outer(), y.stride(),
                          cosines.data, sines.data});
    }
  }
};

}  // namespace detail::inline MOLMO_ISA

template <class X, class C>
inline constexpr bool enable_statement<detail::Rope<X, C>> = true;

inline namespace MOLMO_ISA {

/// Statement: the heads of x, floats [n, heads, d] or [n, d], rotated by the tables of their positions, cosines and
/// sines [n, d / 2] (rope_table). The target is shaped like x and may be x. Borrows all three.
template <class X, class C, class S>
[[nodiscard]] auto rope(X&& x MOLMO_LIFETIMEBOUND, C&& cosines MOLMO_LIFETIMEBOUND, S&& sines MOLMO_LIFETIMEBOUND) {
  const auto xs = detail::borrow(std::forward<X>(x));
  const auto cs = detail::borrow(std::forward<C>(cosines));
  const auto ss = detail::borrow(std::forward<S>(sines));
  using XV = std::remove_const_t<decltype(xs)>;
  using CV = std::remove_const_t<decltype(cs)>;
  using SV = std::remove_const_t<decltype(ss)>;
  if constexpr (!detail::rope_fits<XV, CV, SV>())
    return rope_mismatch<typename XV::shape, typename CV::shape, typename SV::shape>{};
  else
    return detail::Rope<XV, CV>{xs, cs, ss};
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
