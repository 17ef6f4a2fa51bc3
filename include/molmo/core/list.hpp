// SPDX-License-Identifier: Apache-2.0
// List<A, B, ...>: values of several types side by side; item<I>(list) is one of them. A std::tuple that cannot be
// assigned or compared and holds no references, because every statement makes one and compilers should not notice.
#pragma once

#include <cstddef>
#include <utility>

namespace molmo::inline v0::detail {

template <std::size_t I, class T>
struct ListItem {
  T value;
};

template <class Index, class... T>
struct ListItems;
template <std::size_t... I, class... T>
struct ListItems<std::index_sequence<I...>, T...> : ListItem<I, T>... {
  constexpr explicit ListItems(const T&... values) : ListItem<I, T>{values}... {}
};

template <class... T>
using List = ListItems<std::index_sequence_for<T...>, T...>;

template <std::size_t I, class T>
[[nodiscard]] constexpr const T& item(const ListItem<I, T>& i) {
  return i.value;
}

}  // namespace molmo::inline v0::detail
