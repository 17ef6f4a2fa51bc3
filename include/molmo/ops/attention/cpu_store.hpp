// SPDX-License-Identifier: Apache-2.0
// New heads on Xsimd (see new_heads.hpp): rotation with registers; 16 tokens of a head at a time, whose keys are one
// panel, shared among the threads when there are many.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/attention/new_heads.hpp>
#include <molmo/ops/rope/rotate.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

template <class V>
void rotate_in_place(const NewHeads& a, float* x, index_t first, index_t heads, index_t from, index_t tokens) {
  const index_t d = a.kv.head_dim, half = d / 2;
  for (index_t t = from; t < from + tokens; ++t)
    for (index_t h = first; h < first + heads; ++h) {
      float* head = x + t * a.token + h * d;
      rotate_head<V>(head, head, half, a.cosines + t * half, a.sines + t * half);
    }
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch>
void finish_queries(const Xsimd<Arch>&, const NewHeads& a, index_t first, index_t heads, index_t from, index_t tokens) {
  detail::rotate_in_place<Lanes<Arch>>(a, a.q, first, heads, from, tokens);
}
template <class Arch>
void finish_keys(const Xsimd<Arch>&, const NewHeads& a, index_t first, index_t heads, index_t from, index_t tokens) {
  detail::rotate_in_place<Lanes<Arch>>(a, a.k, first, heads, from, tokens);
  for (index_t h = first; h < first + heads; ++h)
    for (index_t t = from; t < from + tokens; ++t)
      store_key(a.kv, h, a.past + t, a.k + t * a.token + h * a.kv.head_dim);
}

template <class Arch>
void rotate_and_store(const Xsimd<Arch>& cpu, const NewHeads& a) {
  const index_t numbers = a.tokens * (a.n_heads + 2 * a.n_kv_heads) * a.kv.head_dim;
  const index_t blocks = (a.tokens + kv_panel - 1) / kv_panel;
  cpu.parallel_if(a.tokens > 1 && numbers >= parallel_pass_elements, [&](int part, int parts) {
    const index_t group = a.n_heads / a.n_kv_heads;
    const Range mine = split(blocks * a.n_kv_heads, part, parts);
    for (index_t u = mine.begin; u < mine.end; ++u) {
      const index_t h = u % a.n_kv_heads, from = u / a.n_kv_heads * kv_panel;
      const index_t tokens = a.tokens - from < kv_panel ? a.tokens - from : kv_panel;
      finish_queries(cpu, a, h * group, group, from, tokens);
      finish_keys(cpu, a, h, 1, from, tokens);
      finish_values(cpu, a, h, 1, from, tokens);
    }
  });
}

}  // namespace molmo::inline v0
