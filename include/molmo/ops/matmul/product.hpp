// SPDX-License-Identifier: Apache-2.0
// The operands of matmul with run-time sizes, and its meaning: Rows (x), Product (a weight matrix, what becomes of its
// elements and where they go), multiply(ctx, x, products...).
//
//   y[m, n] = e(sum over k of x[m, k] w[n, k])
// Several products of one x are one parallel step. multiply() below is the meaning, in double precision; fast ones:
// cpu.hpp, onednn.hpp, eigen.hpp beside this file. People write the statement, matmul.hpp.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/core/cost.hpp>
#include <molmo/core/overlap.hpp>
#include <molmo/expr/leaf.hpp>
#include <molmo/expr/pointwise.hpp>
#include <molmo/formats/panels.hpp>

namespace molmo::inline v0 {

/// The left operand of one or more products: m rows of k floats, `stride` apart.
struct Rows {
  const float* data = nullptr;
  index_t m = 0, k = 0;
  index_t stride = 0;
};

/// The `when_stored` of a product whose finished columns need nothing more.
struct NoMore {
  static constexpr index_t grain = 1;
  void operator()(index_t, index_t) const {}
};

/// One product with the same left operand: where it goes, what happens to an element before it is stored (`epilogue`),
/// and what happens to columns when all their rows are stored: when_stored(begin, end) is called once for every part of
/// the columns, by the thread that stored them, in the same parallel step. Parts begin at multiples of
/// when_stored.grain, which divides 16 or is a multiple of it. So whole heads can be rotated and cached
/// (layers/finish_heads.hpp).
template <class T, class E, class WhenStored = NoMore>
struct Product {
  WeightMatrix w;
  T* y = nullptr;
  index_t stride = 0;
  E epilogue{};  ///< an erased expression with `acc`
  WhenStored when_stored{};

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
template <class T, class E, class WhenStored>
void multiply_one(const Rows& x, const Product<T, E, WhenStored>& p) {
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
    if (p.w.rows > 0) p.when_stored(0, p.w.rows);
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

/// Where [rows][width] elements of `size` bytes lie, rows `stride` elements apart.
[[nodiscard]] inline Footprint footprint_of_rows(const void* first, index_t rows, index_t width, index_t stride,
                                                 std::size_t size) {
  const auto bytes = static_cast<index_t>(size);
  const Pieces row{width * bytes, rows > 1 ? stride * bytes : index_t{0}};
  return {extent_of_rows(first, rows, width, stride, size), row, row};
}

/// Throws contract_error where a target, [x.m][w.rows] elements, overlaps what its product reads.
MOLMO_NOINLINE inline void check_product(const Rows& x, const WeightMatrix& w, const Footprint& y) {
  expects(apart(y, footprint_of_rows(x.data, x.m, x.k, x.stride, sizeof(float))),
          "molmo: on(ctx, y) = matmul(x, w): y overlaps x, every column of which is read for every column of y; write "
          "to another tensor");
  const PanelBytes bytes = w.layout == Layout::panels ? panel_bytes(w.format, w.rows, w.cols)
                                                      : PanelBytes{w.rows * w.row_bytes(), 0};
  expects(apart(y.all, {w.data, bytes.data}) && apart(y.all, {w.scales, bytes.scales}),
          "molmo: on(ctx, y) = matmul(x, w): y overlaps the weights w; write to another tensor");
}

/// Throws contract_error where two targets overlap, or one overlaps what another product reads.
MOLMO_NOINLINE inline void check_products(const Rows& x, const WeightMatrix* w, const Footprint* y, int count) {
  for (int i = 0; i < count; ++i)
    for (int j = 0; j < count; ++j) {
      check_product(x, w[j], y[i]);
      expects(i == j || apart(y[i], y[j]),
              "molmo: on(ctx, y0, y1, ...) = matmul(x, w0, w1, ...): two targets overlap; give each its own columns");
    }
}

template <class P>
[[nodiscard]] Footprint footprint_of_target(const Rows& x, const P& p) {
  return footprint_of_rows(p.y, x.m, p.w.rows, p.stride, sizeof(*p.y));
}

// Products into targets of their own. (A function of its own, so that models share it.)
template <class Ctx, class... P>
MOLMO_NOINLINE void multiply_apart(const Ctx& ctx, const Rows& x, const P&... products) {
  constexpr int count = static_cast<int>(sizeof...(P));
  if constexpr (count == 1) {
    (check_product(x, products.w, footprint_of_target(x, products)), ...);
  } else {
    const WeightMatrix w[] = {products.w...};
    const Footprint y[] = {footprint_of_target(x, products)...};
    check_products(x, w, y, count);
  }
  multiply(ctx, x, products...);
}

// Two products that meet in one target: the first is stored there, and the second's epilogue reads it.
template <class Ctx, class First, class Second>
MOLMO_NOINLINE void multiply_joined(const Ctx& ctx, const Rows& x, const First& first, const Second& second) {
  check_product(x, first.w, footprint_of_target(x, first));
  check_product(x, second.w, footprint_of_target(x, second));
  multiply(ctx, x, first, second);
}

}  // namespace detail::inline MOLMO_ISA

}  // namespace molmo::inline v0
