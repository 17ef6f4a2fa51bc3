// SPDX-License-Identifier: Apache-2.0
// List: values of several types, by their number, while compiling too.
#include <molmo/core/list.hpp>

#include "support/catch.hpp"

#include <type_traits>

using molmo::detail::item;
using molmo::detail::List;

TEST_CASE("List: items of equal and of different types keep their places") {
  constexpr List<int, double, int> list(1, 2.5, 3);
  static_assert(item<0>(list) == 1 && item<1>(list) == 2.5 && item<2>(list) == 3);
  static_assert(std::is_same_v<decltype(item<1>(list)), const double&>);
  static_assert(std::is_trivially_copyable_v<List<int, double, int>>);
  const List<List<int>, int> nested(List<int>(7), 8);
  CHECK(item<0>(item<0>(nested)) == 7);
  CHECK(item<1>(nested) == 8);
}
