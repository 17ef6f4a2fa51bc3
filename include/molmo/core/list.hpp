// SPDX-License-Identifier: Apache-2.0
// List<A, B, ...>: values of several types side by side; item<0>(list) is one of them. A std::tuple that cannot be
// assigned or compared and holds no references, because every statement makes one and compilers should not notice.
#pragma once

#include <cstddef>
#include <utility>

namespace molmo::inline v0::detail {

template <std::size_t Nth, class T>
struct ListItem {
  T value;
};

template <class Index, class... T>
struct ListItems;
template <std::size_t... Nth, class... T>
struct ListItems<std::index_sequence<Nth...>, T...> : ListItem<Nth, T>... {
  constexpr explicit ListItems(const T&... values) : ListItem<Nth, T>{values}... {}
};

template <class... T>
using List = ListItems<std::index_sequence_for<T...>, T...>;

template <std::size_t Nth, class T>
[[nodiscard]] constexpr const T& item(const ListItem<Nth, T>& i) {
  return i.value;
}

}  // namespace molmo::inline v0::detail
