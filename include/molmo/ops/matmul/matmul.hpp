// SPDX-License-Identifier: Apache-2.0
// matmul: y[m, n] = e(sum over k of x[m, k] w[n, k]), w being [out, in] as a linear layer stores it.
//
//   on(cpu, y) = matmul(x, w);
//   on(cpu, y) = matmul(x, w).then(silu(acc) * up + y);     acc: the element about to be stored
//   matmul(x, w).then(acc + bias).then(silu(acc))           is  matmul(x, w).then(silu(acc + bias))
// A matmul is a statement, never an operand, so there are no hidden temporaries. y may appear in the epilogue (a
// residual); where it overlaps x or w, that is a contract_error. multiply() below is the meaning, in double precision;
// fast ones: cpu.hpp, onednn.hpp, eigen.hpp beside this file.
#pragma once

#include <molmo/core/cost.hpp>
#include <molmo/core/error.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/borrow.hpp>
#include <molmo/formats/panels.hpp>

namespace molmo::inline v0 {

/// The left operand of one or more products: m rows of k floats, `stride` apart.
struct Rows {
  const float* data = nullptr;
  index_t m = 0, k = 0;
  index_t stride = 0;
};

/// The `then` of a product whose finished columns need nothing more.
struct NoMore {
  static constexpr index_t grain = 1;
  void operator()(index_t, index_t) const {}
};

/// One product with the same left operand: where it goes, what happens to an element before it is stored (`epilogue`),
/// and what happens to columns when all their rows are stored (`then`). then(begin, end) is called once for every part
/// of the columns, by the thread that stored them. Parts begin at multiples of then.grain, which divides 16 or is a
/// multiple of it. So whole heads can be rotated and cached (layers/attention.hpp) without another parallel step.
template <class T, class E, class Then = NoMore>
struct Product {
  WeightMatrix w;
  T* y = nullptr;
  index_t stride = 0;
  E epilogue{};  ///< an erased expression with `acc`
  Then then{};

  template <class At>
  MOLMO_INLINE typename At::value finish(const At& at) const {
    return epilogue.eval(at);
  }
};

/// The erased epilogue acc + bias[column].
[[nodiscard]] inline auto acc_plus_row(const float* bias) {
  return detail::map<detail::add_f>(Acc{}, Strided<float, Spread::row>{bias, 0});
}

inline namespace MOLMO_ISA {

/// 2 m n k operations; the weights once, x and y once.
[[nodiscard]] inline Cost matmul_cost(index_t m, const WeightMatrix& w) {
  const double dm = static_cast<double>(m), n = static_cast<double>(w.rows), k = static_cast<double>(w.cols);
  return {2 * dm * n * k, static_cast<double>(w.row_bytes()) * n + 4 * dm * (n + k)};
}

/// The meaning of a product: dot products in double precision, one after another.
template <class T, class E, class Then>
void multiply_one(const Rows& x, const Product<T, E, Then>& p) {
  float weights[decoded_at_once];
  for (index_t n = 0; n < p.w.rows; ++n)
    for (index_t m = 0; m < x.m; ++m) {
      double sum = 0;
      for (index_t k = 0; k < x.k; k += decoded_at_once) {
        const index_t count = x.k - k < decoded_at_once ? x.k - k : decoded_at_once;
        read_weights(p.w, n, k, count, weights);
        const float* const some = x.data + m * x.stride + k;
        for (index_t i = 0; i < count; ++i) sum += static_cast<double>(some[i]) * static_cast<double>(weights[i]);
      }
      p.y[m * p.stride + n] = static_cast<T>(p.finish(ScalarAt<float>{m, n, static_cast<float>(sum)}));
    }
}

}  // inline namespace MOLMO_ISA

/// Several products of the same x, in order. A product may read in its epilogue what an earlier one of the same width
/// stored in the same column: fast versions give one column to one thread throughout.
template <class... P>
void multiply(const Reference&, const Rows& x, const P&... products) {
  const auto one = [&](const auto& p) {
    multiply_one(x, p);
    if (p.w.rows > 0) p.then(0, p.w.rows);
  };
  (one(products), ...);
}
/// Xsimd without the header of its loops.
template <class... P>
void multiply(const FastCpu&, const Rows&, const P&...) {
  static_assert(detail::never<P...>,
                "molmo: Xsimd has a fast matmul in <molmo/ops/matmul/cpu.hpp>, which is not included; "
                "include <molmo/cpu.hpp>");
}

namespace detail::inline MOLMO_ISA {

/// Throws contract_error where the target of a product overlaps what it reads. The target: [x.m][w.rows] elements of
/// `size` bytes, rows `stride` apart.
MOLMO_NOINLINE inline void check_product(const Rows& x, const WeightMatrix& w, const void* y, index_t stride,
                                         std::size_t size) {
  const Extent target = extent_of_rows(y, x.m, w.rows, stride, size);
  expects(apart(target, extent_of_rows(x.data, x.m, x.k, x.stride, sizeof(float))),
          "molmo: on(ctx, y) = matmul(x, w): y overlaps x, every column of which is read for every column of y; write "
          "to another tensor");
  const PanelBytes bytes = w.layout == Layout::panels ? panel_bytes(w.format, w.rows, w.cols)
                                                      : PanelBytes{w.rows * w.row_bytes(), 0};
  expects(apart(target, {w.data, bytes.data}) && apart(target, {w.scales, bytes.scales}),
          "molmo: on(ctx, y) = matmul(x, w): y overlaps the weights w; write to another tensor");
}

// (A function of its own, so that models share it.)
template <class Ctx, class T, class E>
MOLMO_NOINLINE void multiply_apart(const Ctx& ctx, const Rows& x, const Product<T, E>& p) {
  check_product(x, p.w, p.y, p.stride, sizeof(T));
  multiply(ctx, x, p);
}

template <class SX, class SW, class E>
class [[nodiscard]] Matmul {
 public:
  Matmul(const Rows& x, Weight<SW> w, E e) : x_(x), w_(w), e_(e) {}
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  /// Fuses a pointwise expression of `acc` and of tensors shaped like the result into the store. In a second one, `acc`
  /// is the value of the first.
  template <Expr Next>
  [[nodiscard]] auto then(const Next& next) && {
    static_assert(acc_use<Next> != AccUse::no,
                  "molmo: .then(e): e does not read acc, so the product would be lost; write e with acc in it, or "
                  "assign e without a matmul");
    if constexpr (std::is_same_v<E, Acc>) {
      return Matmul<SX, SW, Next>(x_, w_, next);
    } else {
      const auto both = with_acc(next, e_);
      return Matmul<SX, SW, std::remove_const_t<decltype(both)>>(x_, w_, both);
    }
  }

  /// Rows of y may lie evenly apart.
  template <class Ctx, class T, class SY, index_t R>
  void run(const Ctx& ctx, View<T, SY, Host, R> y) const {
    static_assert(is_element<T>, "molmo: the target of a matmul is float, double, bf16 or f16");
    [[maybe_unused]] matmul_output_mismatch<SY::cols, SW::static_rows> output;
    static_assert(SX::dynamic == SY::dynamic && SX::static_rows == SY::static_rows,
                  "molmo: the target of matmul(x, w) has as many rows as x");
    if constexpr (SX::dynamic)
      expects(x_.m == y.rows(), "molmo: on(ctx, y) = matmul(x, w): y and x have different numbers of tokens");
    static_assert(std::is_same_v<broadcast_t<typename E::shape, SY>, SY>,
                  "molmo: the epilogue of a matmul has another shape than its target");
    check_pass(y, e_);
    const auto flat = e_.template erased<SY>();
    using Flat = std::remove_cvref_t<decltype(flat)>;
    multiply_apart(ctx, x_, Product<T, Flat>{w_.matrix(), y.data, y.stride(), flat});
  }

 private:
  Rows x_;
  Weight<SW> w_;
  E e_;
};

}  // namespace detail::inline MOLMO_ISA

template <class SX, class SW, class E>
inline constexpr bool enable_statement<detail::Matmul<SX, SW, E>> = true;

inline namespace MOLMO_ISA {

/// x w^T for x of shape [.., K] (float) and w of shape [N, K]: a Weight, a view or a tensor. Borrows both.
template <class X, class SW>
[[nodiscard]] auto matmul(X&& x MOLMO_LIFETIMEBOUND, const Weight<SW>& w) {
  const auto v = detail::borrow(std::forward<X>(x));
  using V = std::remove_cvref_t<decltype(v)>;
  static_assert(std::is_same_v<typename V::element, float>, "molmo: the activations of a matmul are float");
  [[maybe_unused]] matmul_inner_mismatch<V::shape::cols, SW::cols> inner;
  static_assert(V::even && std::is_same_v<typename V::memory, Host>,
                "molmo: matmul(x, w): the rows of x are evenly apart in host memory; store x first");
  return detail::Matmul<typename V::shape, SW, Acc>(Rows{v.data, v.rows(), V::cols(), v.stride()}, w, acc);
}
template <class X, class W>
  requires(is_tensor<std::remove_cvref_t<W>> || is_view<std::remove_cvref_t<W>>)
[[nodiscard]] auto matmul(X&& x MOLMO_LIFETIMEBOUND, W&& w MOLMO_LIFETIMEBOUND) {
  static_assert(std::remove_cvref_t<decltype(detail::borrow(std::forward<W>(w)))>::dense,
                "molmo: matmul(x, w): the rows of the weights w follow each other; store w first");
  return matmul(std::forward<X>(x), Weight<typename std::remove_cvref_t<W>::shape>(detail::borrow(std::forward<W>(w))));
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
