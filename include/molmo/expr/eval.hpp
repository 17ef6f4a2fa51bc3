// SPDX-License-Identifier: Apache-2.0
// eval(ctx, e): the expression's elements in a new tensor of its shape, or its number where it is one.
//
//   Tensor<float, dyn, 64> y = eval(cpu, x + silu(gate) * up);      allocates, then  on(cpu, y) = e
//   auto half = eval<bf16>(cpu, x);                                 elements of another type
// Elements are float, double where an operand is double. Without memory it throws std::bad_alloc, as Tensor does.
#pragma once

#include <molmo/expr/assign.hpp>

namespace molmo::inline v0 {
namespace detail {

template <class T, class S>
struct TensorOf;
template <class T, index_t... D>
struct TensorOf<T, Shape<D...>> {
  using type = Tensor<T, D...>;
};
/// What the elements of E are where nobody says.
template <class E>
using natural_t =
    std::conditional_t<kind_of<E> == NumberKind::boolean, bool,
                       std::conditional_t<kind_of<E> == NumberKind::integer, std::int64_t, pass_t<float, E>>>;

}  // namespace detail

/// The elements of e as a Tensor<T, ...> of e's shape, as many tokens as its operands have; of a scalar expression the
/// number. T is float by default, double where an operand is, std::int64_t of integers, bool of conditions. Errors:
/// those of on(ctx, y) = e; std::bad_alloc.
template <class T = void, class Ctx, Shaped X>
[[nodiscard]] auto eval(const Ctx& ctx, X&& e) {
  const auto operand = leaf(std::forward<X>(e));
  using E = std::remove_const_t<decltype(operand)>;
  using S = typename E::shape;
  using N = std::conditional_t<std::is_void_v<T>, detail::natural_t<E>, T>;
  static_assert(std::is_same_v<typename Ctx::memory, Host>,
                "molmo: eval(ctx, e) makes a tensor on the host; make a DeviceTensor y, then on(ctx, y) = e");
  if constexpr (S::rank == 0) {
    N number{};
    on(ctx, View<N, S>(&number)) = operand;
    return number;
  } else {
    using Y = typename detail::TensorOf<N, S>::type;
    Y y = [&] {
      if constexpr (S::dynamic)
        return Y(operand.tokens());
      else
        return Y();
    }();
    on(ctx, y) = operand;
    return y;
  }
}

}  // namespace molmo::inline v0
