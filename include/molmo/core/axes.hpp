// SPDX-License-Identifier: Apache-2.0
// The axes of a shape as numbers, and a shape made of numbers: how core/views.hpp and expr/broadcast.hpp calculate with
// shapes.
//
//   struct Half { static constexpr Axes axes = with_last(axes_of<S>, S::cols / 2); };
//   using Narrow = shape_of<Half>;
#pragma once

#include <molmo/core/shape.hpp>

#include <utility>

namespace molmo::inline v0::detail {

inline constexpr int most_axes = 8;

/// Sizes, slowest axis first; `dyn` for tokens. A rank of -1 says that there is no such shape.
struct Axes {
  int rank = 0;
  index_t size[most_axes] = {};
};

template <class S>
inline constexpr Axes axes_of{};
template <index_t... D>
inline constexpr Axes axes_of<Shape<D...>>{static_cast<int>(sizeof...(D)), {D...}};

constexpr Axes with_last(Axes a, index_t last) {
  a.size[a.rank - 1] = last;
  return a;
}
constexpr Axes with_first(Axes a, index_t first) {
  a.size[0] = first;
  return a;
}
/// Without axis i.
constexpr Axes without(Axes a, int i) {
  for (--a.rank; i < a.rank; ++i) a.size[i] = a.size[i + 1];
  return a;
}
/// The last axis cut into `count` times the rest.
constexpr Axes split_last(Axes a, index_t count) {
  const index_t width = a.size[a.rank - 1];
  a.size[a.rank - 1] = count;
  a.size[a.rank++] = width / count;
  return a;
}
/// The last two axes as one.
constexpr Axes join_last(Axes a) {
  a.size[a.rank - 2] *= a.size[a.rank - 1];
  --a.rank;
  return a;
}
constexpr Axes swap_last(Axes a) {
  const index_t last = a.size[a.rank - 1];
  a.size[a.rank - 1] = a.size[a.rank - 2];
  a.size[a.rank - 2] = last;
  return a;
}

template <class Holder, std::size_t... Axis>
Shape<Holder::axes.size[Axis]...> shape_from(std::index_sequence<Axis...>);

/// The shape of Holder::axes.
template <class Holder>
using shape_of = decltype(shape_from<Holder>(std::make_index_sequence<static_cast<std::size_t>(Holder::axes.rank)>{}));

}  // namespace molmo::inline v0::detail
