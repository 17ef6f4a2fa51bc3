// SPDX-License-Identifier: Apache-2.0
// on(ctx, y0, y1, ...) = statement: one statement with several targets, such as the products of one x.
//
//   on(cpu, q, k, v) = matmul(x, wq, wk, wv);
// The statement says what goes where, and which targets may lie beside each other (ops/matmul/matmul.hpp). Nothing is
// calculated here.
#pragma once

#include <molmo/core/list.hpp>
#include <molmo/expr/assign.hpp>

namespace molmo::inline v0 {
namespace detail {

// The view of a target: a tensor's own, or a copy of the view.
template <class Y>
constexpr auto target_view(Y&& y) {
  using T = std::remove_cvref_t<Y>;
  if constexpr (is_tensor<T>) {
    static_assert(std::is_lvalue_reference_v<Y>,
                  "molmo: on(ctx, y0, y1, ...): this target is a temporary, whose elements are gone at once; name it");
    return y.view();
  } else {
    static_assert(is_view<T>, "molmo: on(ctx, y0, y1, ...): every target is a tensor or a view");
    return y;
  }
}

}  // namespace detail

/// The left side of on(ctx, y0, y1, ...) = ...; Y are views.
template <class Ctx, class Numbers, class... Y>
class Targets;
template <class Ctx, std::size_t... Nth, class... Y>
class Targets<Ctx, std::index_sequence<Nth...>, Y...> {
 public:
  explicit Targets(const Ctx& ctx, const Y&... y) : ctx_(ctx), y_(y...) {}
  Targets(const Targets&) = delete;
  Targets& operator=(const Targets&) = delete;

  /// Runs a statement into the targets.
  template <class X>
  void operator=(X&& statement) && {
    if constexpr (requires { statement.run(ctx_, detail::item<Nth>(y_)...); })
      statement.run(ctx_, detail::item<Nth>(y_)...);
    else
      static_assert(detail::never<X>,
                    "molmo: on(ctx, y0, y1, ...) = matmul(x, w0, w1, ...) has several targets; an expression and any "
                    "other statement has one: write one line for each");
  }

 private:
  const Ctx& ctx_;
  detail::List<Y...> y_;
};

/// on(ctx, y0, y1, ...) = statement: calculates it with ctx and stores its results. The targets are tensors and views.
template <class Ctx, class Y0, class Y1, class... More>
[[nodiscard]] auto on(const Ctx& ctx, Y0&& y0, Y1&& y1, More&&... more) {
  const auto check = []<class V>(const V&) {
    static_assert(!std::is_const_v<std::remove_pointer_t<decltype(V::data)>>,
                  "molmo: a target of on(ctx, y0, y1, ...) is read-only");
    static_assert(std::is_same_v<typename V::memory, typename Ctx::memory>,
                  "molmo: on(ctx, y0, y1, ...): a target lies in memory (host or device) that this backend does not "
                  "reach");
  };
  const auto made = [&](const auto&... views) {
    (check(views), ...);
    using Numbers = std::make_index_sequence<sizeof...(views)>;
    return Targets<Ctx, Numbers, std::remove_cvref_t<decltype(views)>...>(ctx, views...);
  };
  return made(detail::target_view(std::forward<Y0>(y0)), detail::target_view(std::forward<Y1>(y1)),
              detail::target_view(std::forward<More>(more))...);
}

}  // namespace molmo::inline v0
