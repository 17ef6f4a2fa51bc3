// SPDX-License-Identifier: Apache-2.0
// Reductions over tokens on Xsimd. Columns are shared among the threads; a thread walks over its columns in strips that
// are read as whole pieces of memory, 16 tokens at a time:
//
//   total[c] += e(t, c) + ... + e(t + 15, c)         the 16 in a register of floats, total in double
// The order of a column is the same for every number of threads. Few columns of many tokens keep few threads busy.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/expr/token_reduce.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

inline constexpr index_t strip_columns = 512, tokens_at_once = 16, columns_of_a_thread = 64;

// Columns [begin, end), one strip of row `row` of every token.
template <class V, class R, class E>
void reduce_strip(const E& e, double* total, const TokenWalk& w, index_t row, index_t begin, index_t end) {
  for (index_t c = begin; c < end; ++c) total[c - begin] = R::identity;
  alignas(64) float lane[static_cast<std::size_t>(V::size)];
  for (index_t first = 0; first < w.tokens; first += tokens_at_once) {
    const index_t last = first + tokens_at_once < w.tokens ? first + tokens_at_once : w.tokens;
    for (index_t c = begin; c < end; c += V::size) {
      const int count = static_cast<int>(c + V::size <= end ? V::size : end - c);
      V some = V::broadcast(static_cast<float>(R::identity));
      if (count == V::size)
        for (index_t t = first; t < last; ++t) some = R::combine(e.eval(LanesAt<V>{t * w.step + row, c, V{}}), some);
      else
        for (index_t t = first; t < last; ++t)
          some = R::combine(e.eval(TailAt<V>{t * w.step + row, c, count, V{}}), some);
      some.store(lane);
      double* const to = total + (c - begin);
      for (int i = 0; i < count; ++i) to[i] = R::combine(static_cast<double>(lane[i]), to[i]);
    }
  }
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch, class R, class F, class T, class E>
void reduce_tokens(const Xsimd<Arch>& cpu, R r, F f, const detail::TokenTarget<T>& y, const E& erased,
                   const TokenWalk& w) {
  if constexpr (std::is_same_v<F, double>) {
    reduce_tokens(static_cast<const Reference&>(cpu), r, f, y, erased, w);
  } else {
    cpu.parallel_if(w.tokens * w.rows * w.width >= parallel_pass_elements, [&](int part, int parts) {
      double total[detail::strip_columns];
      const Range mine = split(w.width, part, parts, detail::columns_of_a_thread);
      for (index_t row = 0; row < w.rows; ++row)
        for (index_t begin = mine.begin; begin < mine.end; begin += detail::strip_columns) {
          const index_t end = begin + detail::strip_columns < mine.end ? begin + detail::strip_columns : mine.end;
          detail::reduce_strip<Lanes<Arch>, R>(erased, total, w, row, begin, end);
          for (index_t c = begin; c < end; ++c) y.store(row * w.width + c, total[c - begin]);
        }
    });
  }
}

}  // namespace molmo::inline v0
