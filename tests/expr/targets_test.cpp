// SPDX-License-Identifier: Apache-2.0
// on(ctx, y0, y1, ...): the targets reach the statement as views, in order, with their distances between rows.
#include <molmo/core/tensor.hpp>
#include <molmo/core/views.hpp>
#include <molmo/expr/targets.hpp>

#include "support/catch.hpp"

#include <type_traits>

using namespace molmo;

namespace {

/// Stores the number and the width of each target in it.
struct Count {
  template <class Ctx, class... Y>
  void run(const Ctx&, const Y&... y) const {
    index_t number = 0;
    const auto store = [&]<class V>(const V& v) {
      using T = typename V::element;
      v(0, 0) = T(static_cast<float>(number++));
      v(0, 1) = T(static_cast<float>(v.cols()));
      v(1, 0) = T(static_cast<float>(v.stride()));
    };
    (store(y), ...);
  }
};

}  // namespace

TEST_CASE("on(ctx, y0, y1, ...): tensors, views and columns, in order") {
  Tensor<float, dyn, 4> a(2);
  Tensor<bf16, 2, 3> b;
  Tensor<float, dyn, 10> wide(2);
  const Count count;
  on(Reference{}, a, b, columns<5, 2>(wide), wide.view().slice(0, 2)) = count;
  CHECK((a(0, 0) == 0 && a(0, 1) == 4 && a(1, 0) == 4));
  CHECK((static_cast<float>(b(0, 0)) == 1 && static_cast<float>(b(0, 1)) == 3 && static_cast<float>(b(1, 0)) == 3));
  CHECK((wide(0, 5) == 2 && wide(0, 6) == 2 && wide(1, 5) == 10));
  CHECK((wide(0, 0) == 3 && wide(0, 1) == 10 && wide(1, 0) == 10));
}
