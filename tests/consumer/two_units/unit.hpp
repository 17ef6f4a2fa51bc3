// SPDX-License-Identifier: Apache-2.0
// The same work in both units, each with the backends of its own instruction set: pointwise passes, views, gathers, a
// gradient, reductions, norms, softmax, products in every weight format and layout, and a small model from token to
// token, all of it on Xsimd and on the plain loops of Reference. Each must be the unit's own code: check_symbols.sh
// looks into the objects.
#pragma once

#include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>

#include "work.hpp"

#include <vector>

namespace {

using namespace molmo;

// Numbers in [-0.5, 0.5) that look like noise.
inline float noise(index_t i) { return static_cast<float>((i * 7919 + i / 13 * 104729) % 1009) / 1009.0f - 0.5f; }

inline void note(Work& w, const float* a, const float* b, index_t n) {
  for (index_t i = 0; i < n; ++i) {
    const float difference = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
    if (!(difference <= w.worst)) w.worst = difference;
    w.total += a[i];
  }
}

// A matrix of noise, stored in the format F: row after row, and in panels.
template <class F, index_t N, index_t K>
struct Stored {
  std::vector<std::byte> rows, data, scales;
  Weight<Shape<N, K>> by_rows, in_panels;

  Stored() : rows(static_cast<std::size_t>(N * format_bytes<F>(K))) {
    std::vector<float> row(static_cast<std::size_t>(K));
    for (index_t n = 0; n < N; ++n) {
      for (index_t k = 0; k < K; ++k) row[static_cast<std::size_t>(k)] = noise(n * K + k) / 8;
      std::byte* out = rows.data() + n * format_bytes<F>(K);
      if constexpr (BlockFormat<F>)
        encode_row<F>(row.data(), K, out);
      else
        for (index_t k = 0; k < K; ++k) {
          const typename F::element x(row[static_cast<std::size_t>(k)]);
          std::memcpy(out + k * F::bytes, &x, sizeof x);
        }
    }
    by_rows = Weight<Shape<N, K>>(rows.data(), format_id<F>);
    const PanelBytes bytes = panel_bytes(format_id<F>, N, K);
    data.resize(static_cast<std::size_t>(bytes.data));
    scales.resize(static_cast<std::size_t>(bytes.scales));
    pack_panels(by_rows.matrix(), data.data(), scales.data());
    in_panels = Weight<Shape<N, K>>(WeightMatrix{data.data(), format_id<F>, N, K, Layout::panels,
                                                 scales.empty() ? nullptr : scales.data()});
  }
};

template <class F, class Cpu>
void multiply_with(Work& w, const Cpu& cpu, index_t rows) {
  const Stored<F, 80, 96> stored;
  Tensor<float, dyn, 96> x{rows};
  Tensor<float, dyn, 80> y{rows}, meaning{rows};
  for (index_t i = 0; i < x.size(); ++i) x[i] = noise(3 * i);
  on(Reference{}, meaning) = matmul(x, stored.by_rows).then(silu(acc) + 1);
  on(cpu, y) = matmul(x, stored.by_rows).then(silu(acc) + 1);
  note(w, y.data(), meaning.data(), y.size());
  on(cpu, y) = matmul(x, stored.in_panels).then(silu(acc) + 1);
  note(w, y.data(), meaning.data(), y.size());
}

template <class Cpu>
void norms_with(Work& w, const Cpu& cpu) {
  Tensor<float, dyn, 100> x{5}, y{5}, meaning{5};
  Tensor<float, 100> weight;
  for (index_t i = 0; i < x.size(); ++i) x[i] = noise(i);
  for (index_t i = 0; i < 100; ++i) weight[i] = noise(5 * i);
  const auto both = [&](auto run) {
    run(cpu, y);
    run(Reference{}, meaning);
    note(w, y.data(), meaning.data(), y.size());
  };
  both([&](const auto& ctx, auto& to) { on(ctx, to) = rms_norm(x, weight, 1e-5); });
  both([&](const auto& ctx, auto& to) { on(ctx, to) = layer_norm(x, weight, weight, 1e-5); });
  both([&](const auto& ctx, auto& to) { on(ctx, to) = softmax(x); });
  both([&](const auto& ctx, auto& to) { on(ctx, to) = gelu(x) * weight + tanh(x) / sqrt(abs(x) + 1); });
  Tensor<f16, dyn, 100> half{5};
  Tensor<bf16, dyn, 100> brain{5};
  both([&](const auto& ctx, auto& to) {
    on(ctx, half) = x * 3;
    on(ctx, brain) = half + weight;
    on(ctx, to) = brain;
  });
  Tensor<float, dyn> s{5}, sums{5};
  on(cpu, s) = row_sum(x * x);
  on(Reference{}, sums) = row_sum(x * x);
  note(w, s.data(), sums.data(), 5);
  w.total += max_of(cpu, x) + max_of(Reference{}, x) + sum(cpu, x);
}

// Operands that lie apart, columns as a target, rows that ids name, and a gradient.
template <class Cpu>
void moves_with(Work& w, const Cpu& cpu) {
  Tensor<float, dyn, 100> x{5}, y{5}, meaning{5};
  Tensor<float, 20, 100> table;
  Tensor<float, 100, 20> across, across_meaning;
  Tensor<std::int32_t, dyn> ids{5};
  for (index_t i = 0; i < x.size(); ++i) x[i] = noise(i);
  for (index_t i = 0; i < table.size(); ++i) table[i] = noise(3 * i);
  for (index_t t = 0; t < 5; ++t) ids[t] = static_cast<std::int32_t>(t * 7 % 20);
  const auto both = [&](auto run) {
    on(cpu, y) = x;
    on(Reference{}, meaning) = x;
    run(cpu, y);
    run(Reference{}, meaning);
    note(w, y.data(), meaning.data(), y.size());
  };
  both([&](const auto& ctx, auto& to) { on(ctx, to) = gather(table, ids) * x; });
  both([&](const auto& ctx, auto& to) { on(ctx, columns<4, 40>(to)) = columns<40>(x, 60) + 1; });
  both([&](const auto& ctx, auto& to) { on(ctx, heads<4>(to)) = heads<4>(x) * 2; });
  both([&](const auto& ctx, auto& to) { on(ctx, to) = concat(columns<0, 30>(x), columns<20, 70>(x) * 2); });
  both([&](const auto& ctx, auto& to) { scatter_add(ctx, to, ids % 5, x); });
  both([&](const auto& ctx, auto& to) { on(ctx, to) = gradient(silu(x) * x, x + 1, x); });
  on(cpu, across) = transpose(table) * 2;
  on(Reference{}, across_meaning) = transpose(table) * 2;
  note(w, across.data(), across_meaning.data(), across.size());
}

inline constexpr LlmConfig tiny{.d_model = 64, .n_heads = 4, .n_kv_heads = 2, .n_layers = 2, .mlp_hidden_size = 96,
                                .vocab_size = 50, .max_sequence_length = 64, .weight_tying = true};
using Model = Llm<tiny>;

// The logits after some tokens, in a cache of this format.
template <class Cpu>
std::vector<float> logits_of(const Model& model, const Cpu& cpu, KvFormat format, index_t tokens) {
  constexpr index_t room = 64, head = tiny.head_size();
  const auto positions = static_cast<std::size_t>(tiny.n_layers * tiny.kv_heads() * room);
  std::vector<float> k(positions * head + 16), v(positions * head + 16), ks(positions), vs(positions);
  KvCacheView cache;
  cache.first = {reinterpret_cast<std::byte*>(k.data()), reinterpret_cast<std::byte*>(v.data()), ks.data(), vs.data(),
                 room, head, format};
  cache.layer_heads = tiny.kv_heads();
  cache.capacity = room;
  Arena arena(Model::workspace_bytes(tokens));
  const LlmWorkspace work = Model::make_workspace(arena, tokens);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 11 % 50);
  std::vector<float> logits(50);
  model.forward(cpu, ids.data(), tokens, cache, work, logits.data(), 1);
  return logits;
}

template <class Cpu>
void model_with(Work& w, const Cpu& cpu) {
  Model model;
  std::vector<std::vector<float>> numbers;
  index_t at = 0;
  model.each_parameter([&]<class P>(const std::string&, P& parameter) {
    using S = typename P::shape;
    auto& of = numbers.emplace_back(static_cast<std::size_t>(S::static_rows * S::cols));
    for (float& x : of) x = noise(++at) / 4 + (S::rank == 1 ? 1.0f : 0.0f);
    parameter = View<const float, S>(of.data());
  });
  for (const KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::q8}) {
    const std::vector<float> fast = logits_of(model, cpu, format, 40);
    const std::vector<float> meaning = logits_of(model, Reference{}, format, 40);
    note(w, fast.data(), meaning.data(), 50);
    w.token = static_cast<int>(argmax(fast.data(), 50));
    std::vector<Candidate> scratch(50);
    const auto drawn = sample(fast.data(), 50, {.temperature = 0.7, .top_k = 20, .top_p = 0.9, .seed = 5}, 1, scratch.data());
    if (!drawn) return;
  }
  w.done = true;
}

inline Work calculate() {
  const Xsimd cpu{2};
  Work w;
  for (const index_t rows : {1, 3, 40}) {
    multiply_with<F32>(w, cpu, rows);
    multiply_with<Bf16>(w, cpu, rows);
    multiply_with<Q8>(w, cpu, rows);
    multiply_with<Q4>(w, cpu, rows);
  }
  multiply_with<Q8>(w, cpu.exact(), 5);
  norms_with(w, cpu);
  moves_with(w, cpu);
  model_with(w, cpu);
  return w;
}

}  // namespace
