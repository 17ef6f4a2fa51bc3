// SPDX-License-Identifier: Apache-2.0
// The parameter manifest: a layer names its weights once, and that one list drives loading, sizes, and reports.
//
// A layer writes
//   template <class Visit> constexpr void each_parameter(Visit&& visit) { visit("q", q); visit("k", k); }
// where a member is a Weight<Shape<N, K>>, a Vector<N>, or another layer. walk() visits all of them with their full
// names, "blocks.3.attention.q.weight"; parameter_count() adds them up while compiling.
#pragma once

#include <molmo/formats/weight.hpp>

#include <string>
#include <string_view>
#include <type_traits>

namespace molmo::inline v0 {

/// A weight vector: N floats (norm weights and biases are widened to f32 when they are loaded). Null until loaded.
template <index_t N>
using Vector = View<const float, Shape<N>>;

template <class L>
concept HasParameters = requires(L& layer) {
  layer.each_parameter([](std::string_view, auto&) {});
};

namespace detail {

template <class F>
struct Walker {
  std::string prefix;
  F& found;

  template <class X>
  void operator()(std::string_view name, X& x) {
    const std::size_t length = prefix.size();
    if (!prefix.empty()) prefix += '.';
    prefix += name;
    if constexpr (HasParameters<X>)
      x.each_parameter(*this);
    else
      found(static_cast<const std::string&>(prefix), x);
    prefix.resize(length);
  }
};

struct Counter {
  index_t elements = 0;

  template <class X>
  constexpr void operator()(std::string_view, X& x) {
    if constexpr (HasParameters<X>)
      x.each_parameter(*this);
    else
      elements += X::shape::static_rows * X::shape::cols;
  }
};

}  // namespace detail

/// found(full name, parameter) for every parameter of a layer; `prefix` is put before each name.
template <class L, class F>
void walk(std::string prefix, L& layer, F&& found) {
  detail::Walker<std::remove_reference_t<F>> walker{std::move(prefix), found};
  layer.each_parameter(walker);
}

/// How many numbers a layer type holds.
template <class L>
[[nodiscard]] constexpr index_t parameter_count() {
  L layer{};
  detail::Counter counter;
  layer.each_parameter(counter);
  return counter.elements;
}

}  // namespace molmo::inline v0
