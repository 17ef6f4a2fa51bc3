// SPDX-License-Identifier: Apache-2.0
// What acc, acc0, acc1, ... in .then(...) become before a kernel sees the expression, which knows acc alone.
//
//   on(cpu, q, k) = matmul(x, wq, wk).then(acc + bq, acc + bk)      each target's own product: acc stays acc
//   on(cpu, h)    = matmul(x, wg, wu).then(silu(acc0) * acc1)       joined: acc0 waits in h, acc1 becomes acc
#pragma once

#include <molmo/expr/acc.hpp>

namespace molmo::inline v0::detail {

/// Which of them an expression reads: acc, and acc n for each bit n of `numbered`.
struct AccsRead {
  bool own = false;
  unsigned numbered = 0;
  bool unknown = false;  ///< an expression of your own stands in it, without acc_use
};

struct PutNoted {
  AccsRead* read;

  constexpr Acc operator()(Acc) const {
    read->own = true;
    return {};
  }
  template <int Number>
  constexpr Acc operator()(AccOf<Number>) const {
    read->numbered |= 1u << Number;
    return {};
  }
  constexpr void unknown() const { read->unknown = true; }
};
template <class E>
inline constexpr AccsRead accs_read = [] {
  AccsRead read;
  (void)with_acc(E{}, PutNoted{&read});
  return read;
}();

/// Does e read what two products make, acc0 (or acc) and acc1?
template <class E>
inline constexpr bool reads_both = (accs_read<E>.own || (accs_read<E>.numbered & 1) != 0) &&
                                   (accs_read<E>.numbered & 2) != 0;

/// Does e read acc and the acc of this number only?
template <class E>
constexpr bool reads_only(unsigned number) {
  return (accs_read<E>.numbered & ~(1u << number)) == 0;
}

/// In the second of two .then(...): acc is what the first made.
template <class E>
struct PutFirst {
  E first;

  constexpr E operator()(Acc) const { return first; }
};

/// Where a target has its own product: every number is that of its target, as has been checked.
struct PutOwn {
  constexpr Acc operator()(Acc) const { return {}; }
  template <int Number>
  constexpr Acc operator()(AccOf<Number>) const {
    return {};
  }
};

/// Where two products meet: the first waits where `Waiting` reads, the second is acc.
template <class Waiting>
struct PutJoined {
  Waiting waiting;

  constexpr Waiting operator()(Acc) const { return waiting; }
  constexpr Waiting operator()(AccOf<0>) const { return waiting; }
  constexpr Acc operator()(AccOf<1>) const { return {}; }
};

}  // namespace molmo::inline v0::detail
