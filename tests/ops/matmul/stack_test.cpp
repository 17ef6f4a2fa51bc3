// SPDX-License-Identifier: Apache-2.0
// The stack that the kernels of matmul need: every format, layout and loop in a thread of 64 KB. And what they do where
// there is no scratch memory: the same bits, in the little that lies on the stack.
#if MOLMO_HAS_XSIMD
#include <molmo/ops/matmul/cpu.hpp>

#include "support/compare.hpp"
#include "support/random.hpp"
#include "support/small_stack.hpp"
#include "support/stored.hpp"

#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr FormatId formats[] = {format_id<F32>, format_id<Bf16>, format_id<F16>, format_id<Q8>, format_id<Q4>};

struct Problem {
  index_t m, n, k;
  std::vector<float> x;
  Stored w;

  Problem(Random& random, FormatId format, Layout layout, index_t m_, index_t n_, index_t k_)
      : m(m_), n(n_), k(k_), x(random.numbers(m_ * k_)), w(random, format, n_, k_, layout) {}
  Rows rows() const { return {x.data(), m, k, k}; }
  Product<float, Acc> product(std::vector<float>& y) const {
    y.assign(static_cast<std::size_t>(m * n), -12345.0f);
    return {w.m, y.data(), n, acc};
  }
};

}  // namespace

TEST_CASE("matmul: 64 KB of stack suffice for every kernel") {
  Random random(1);
  for (const FormatId format : formats)
    for (const Layout layout : {Layout::rows, Layout::panels})
      for (const auto& [m, k] : {std::pair<index_t, index_t>{1, 600}, {1, 20000}, {16, 600}, {300, 600}})
        for (const bool exact : {false, true}) {
          const Problem p(random, format, layout, m, 50, k);
          const Xsimd<> cpu = exact ? Xsimd<>().exact() : Xsimd<>();
          CAPTURE(format_name(format), layout == Layout::panels, m, k, exact);
          std::vector<float> want, got;
          multiply(cpu, p.rows(), p.product(want));
          const auto product = p.product(got);
          REQUIRE(on_small_stack(kernel_stack, [&] { multiply(cpu, p.rows(), product); }));
          REQUIRE_SAME_BITS(got, want);
        }
}

TEST_CASE("matmul: without scratch memory the kernels calculate the same bits") {
  using V = Xsimd<>::lanes;
  using B = detail::Bytes<native>;
  Random random(2);
  std::vector<float> with, without;
  for (const FormatId format : formats)
    for (const Layout layout : {Layout::rows, Layout::panels})
      for (const index_t m : {1, 7, 300}) {
        const Problem p(random, format, layout, m, 83, 608);
        CAPTURE(format_name(format), layout == Layout::panels, m);
        const Xsimd<> cpu;
        const auto lent = cpu.scratch();
        REQUIRE(lent);
        detail::multiply_unpacked<V>(p.rows(), p.product(with), 0, 83, lent[0]);
        detail::multiply_unpacked<V>(p.rows(), p.product(without), 0, 83, nullptr);
        REQUIRE_SAME_BITS(with, without);
        if constexpr (B::fast) {
          if (layout == Layout::rows || !has_panels(format) || format == format_id<F32> ||
              format == format_id<Bf16> || format == format_id<F16>)
            continue;
          detail::multiply_bytes<V, B>(p.rows(), 0, 1, lent[0], p.product(with));
          detail::multiply_bytes<V, B>(p.rows(), 0, 1, nullptr, p.product(without));
          REQUIRE_SAME_BITS(with, without);
        }
      }
}
#endif
