// SPDX-License-Identifier: Apache-2.0
// What acc, acc0, acc1, ... in .then(...) become before a kernel sees the expression, which knows acc alone.
//
//   on(cpu, q, k) = matmul(x, wq, wk).then(acc + bq, acc + bk)      each target's own product: acc stays acc
//   on(cpu, h)    = matmul(x, wg, wu).then(silu(acc0) * acc1)       joined: acc0 waits in h, acc1 becomes acc
// A number that no product has, and a product that no expression reads, are refused while compiling.
#pragma once

#include <molmo/expr/acc.hpp>

#include <utility>

namespace molmo::inline v0::detail {

/// In the expression of target I of N: acc and acc I are that target's own product.
template <int I, int N>
struct PutOwn {
  static constexpr bool keeps_acc = true, of_one_product = true;

  constexpr Acc operator()(Acc) const { return {}; }
  template <int J>
  constexpr Acc operator()(AccOf<J>) const {
    static_assert(J < N,
                  "molmo: .then(e): acc0, acc1, ... number the products of matmul(x, w0, w1, ...), and e asks for one "
                  "more than there are weights");
    static_assert(J >= N || J == I,
                  "molmo: .then(e0, e1, ...): each target's expression reads acc, its own product; to join two "
                  "products, give one target and one expression");
    return {};
  }
};

/// Where two products meet: the first waits where `Waiting` reads, the second is acc.
template <class Waiting>
struct PutJoined {
  static constexpr bool keeps_acc = false, of_one_product = false;
  Waiting waiting;

  constexpr Waiting operator()(Acc) const { return waiting; }
  constexpr Waiting operator()(AccOf<0>) const { return waiting; }
  constexpr Acc operator()(AccOf<1>) const { return {}; }
};

/// Marks product I, to see whether it is read.
template <int I>
struct PutMark {
  static constexpr bool keeps_acc = true, of_one_product = false;

  constexpr auto operator()(Acc) const { return (*this)(AccOf<0>{}); }
  template <int J>
  constexpr auto operator()(AccOf<J>) const {
    return AccOf<J == I ? -1 : J>{};
  }
};
/// Does e read the element of product I? (acc is that of the first.)
template <int I, class E>
inline constexpr bool reads_acc =
    !std::is_same_v<decltype(with_acc(std::declval<const E&>(), PutMark<I>{})),
                    decltype(with_acc(std::declval<const E&>(), PutMark<-1>{}))>;

}  // namespace molmo::inline v0::detail
