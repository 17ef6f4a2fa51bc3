// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/axes.hpp>

#include "support/catch.hpp"

#include <type_traits>

using namespace molmo;

namespace {

template <class S>
struct Halved {
  static constexpr detail::Axes axes = detail::with_last(detail::axes_of<S>, S::cols / 2);
};
template <class S>
struct Headed {
  static constexpr detail::Axes axes = detail::split_last(detail::axes_of<S>, 4);
};
template <class S>
struct Joined {
  static constexpr detail::Axes axes = detail::join_last(detail::axes_of<S>);
};
template <class S>
struct Turned {
  static constexpr detail::Axes axes = detail::swap_last(detail::axes_of<S>);
};
template <class S>
struct Token {
  static constexpr detail::Axes axes = detail::without(detail::axes_of<S>, 0);
};
template <class S>
struct Fewer {
  static constexpr detail::Axes axes = detail::with_first(detail::axes_of<S>, 2);
};
template <template <class> class F, class S, class Want>
constexpr bool gives = std::is_same_v<detail::shape_of<F<S>>, Want>;

}  // namespace

TEST_CASE("shapes become numbers, and numbers shapes") {
  STATIC_REQUIRE(detail::axes_of<Shape<>>.rank == 0);
  STATIC_REQUIRE(detail::axes_of<Shape<dyn, 4, 8>>.rank == 3);
  STATIC_REQUIRE(detail::axes_of<Shape<dyn, 4, 8>>.size[0] == dyn);
  STATIC_REQUIRE(detail::axes_of<Shape<dyn, 4, 8>>.size[2] == 8);
  STATIC_REQUIRE(gives<Halved, Shape<dyn, 4, 8>, Shape<dyn, 4, 4>>);
  STATIC_REQUIRE(gives<Headed, Shape<dyn, 12>, Shape<dyn, 4, 3>>);
  STATIC_REQUIRE(gives<Headed, Shape<12>, Shape<4, 3>>);
  STATIC_REQUIRE(gives<Joined, Shape<dyn, 4, 3>, Shape<dyn, 12>>);
  STATIC_REQUIRE(gives<Joined, Shape<4, 3>, Shape<12>>);
  STATIC_REQUIRE(gives<Turned, Shape<dyn, 4, 3>, Shape<dyn, 3, 4>>);
  STATIC_REQUIRE(gives<Token, Shape<dyn, 4, 3>, Shape<4, 3>>);
  STATIC_REQUIRE(gives<Fewer, Shape<8, 3>, Shape<2, 3>>);
}
