// SPDX-License-Identifier: Apache-2.0
// matmul on Xsimd: chooses between cpu_rows.hpp (few rows of x: bound by reading the weights) and cpu_panels.hpp (many
// rows: bound by multiply-adds), and splits the columns of y among the threads.
//
// The columns of all products are split once and the same way for equal widths, so one parallel step does q, k and v, or
// gate and up: where the second product reads what the first stored in the same column, the same thread wrote it.
#pragma once

#include <molmo/ops/matmul/cpu_panels.hpp>
#include <molmo/ops/matmul/cpu_rows.hpp>

namespace molmo::inline v0 {
namespace detail {

/// Rows of x from which packing pays. Measured on a 512-bit machine, f32 (benchmarks/ops.cpp prints the two sides).
inline constexpr index_t panel_rows = 16;
/// Multiply-adds below which waking a second thread costs more than it saves.
inline constexpr index_t parallel_multiply_adds = 65536;

/// Can kernels load the format straight into registers?
[[nodiscard]] inline bool loads_directly(FormatId format) {
  return with_format(format, []<class F>(F) {
    return requires { typename F::element; };
  });
}

template <class V, class Out, class E>
void multiply_columns(const Rows& x, const Product<Out, E>& p, int part, int parts) {
  if (!loads_directly(p.w.format)) {
    if (part == 0) multiply_one(x, p);  // a format that only decodes: correct, not fast
  } else if (x.m < panel_rows) {
    const Range mine = split(p.w.rows, part, parts, index_t{16});
    multiply_few_rows<V>(x, p, mine.begin, mine.end);
  } else {
    const Range mine = split(p.w.rows, part, parts, PanelSizes<V>::width);
    multiply_many_rows<V>(x, p, mine.begin, mine.end);
  }
}

}  // namespace detail

template <class Arch, class... P>
void multiply(const Xsimd<Arch>& cpu, const Rows& x, const P&... products) {
  const index_t columns = (index_t{0} + ... + products.w.rows);
  cpu.parallel_if(x.m * x.k * columns >= detail::parallel_multiply_adds,
                  [&](int part, int parts) { (detail::multiply_columns<Lanes<Arch>>(x, products, part, parts), ...); });
}

}  // namespace molmo::inline v0
