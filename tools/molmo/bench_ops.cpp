// SPDX-License-Identifier: Apache-2.0
// A step of a model, op by op. Every op finds its weights where a real step finds them: all others were read since the
// last time. What a real step also does (rotating and storing heads, biases, residuals, the embedding) is left out; the
// difference to a whole step is printed as "the rest".
#include <molmo/core/memory.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "bench.hpp"
#include "model_ops.hpp"

namespace molmo_tool {
namespace {

using Clock = std::chrono::steady_clock;
double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

enum Op { norms, qkv, attend, o, gate_up, down, head, ops };
constexpr std::string_view names[ops] = {"norms", "q k v", "attention", "o", "gate up", "down", "head"};

struct Step {
  const Opened& model;
  const LlmConfig& c;
  index_t tokens, past;
  const ModelOps& run;
  // Memory of a step; a cache of one layer's size for each layer, so that a step reads all of it.
  Arena arena{};
  float *x = nullptr, *normed = nullptr, *wide = nullptr, *heads = nullptr, *logits = nullptr, *weight = nullptr;
  KvHeads kv{};
  index_t kv_bytes = 0, kv_layers = 0;
  double seconds[ops] = {};

  bool prepare() {
    const auto n = [](index_t count) { return static_cast<std::size_t>(count); };
    const index_t width = std::max(c.mlp_hidden_size, c.q_width() + 2 * c.kv_width());
    kv.head_dim = c.head_size();
    kv.room = kv_room(past + tokens);
    kv_layers = c.n_layers;
    const index_t kv_count = c.kv_heads() * kv.room * kv.head_dim + 16;
    kv_bytes = static_cast<index_t>(Arena::padded<float>(n(kv_count)));
    const std::size_t room = 2 * Arena::padded<float>(n(tokens * c.d_model)) + Arena::padded<float>(n(tokens * width)) +
                             Arena::padded<float>(n(tokens * c.q_width())) +
                             Arena::padded<float>(n(c.embedding_rows())) + Arena::padded<float>(n(c.d_model)) +
                             n(2 * kv_layers * kv_bytes);
    if (room > available_memory()) return false;
    arena = Arena(room);
    if (!arena.ok()) return false;
    x = arena.take<float>(n(tokens * c.d_model));
    normed = arena.take<float>(n(tokens * c.d_model));
    wide = arena.take<float>(n(tokens * width));
    heads = arena.take<float>(n(tokens * c.q_width()));
    logits = arena.take<float>(n(c.embedding_rows()));
    weight = arena.take<float>(n(c.d_model));
    kv.k = arena.take<std::byte>(n(kv_layers * kv_bytes));
    kv.v = arena.take<std::byte>(n(kv_layers * kv_bytes));
    const auto fill = [](float* p, index_t count) {  // small numbers, none of them zero
      for (index_t i = 0; i < count; ++i) p[i] = 0.25f * static_cast<float>(i * 37 % 101 - 50) / 50.0f + 0.001f;
    };
    fill(x, tokens * c.d_model);
    fill(normed, tokens * c.d_model);
    fill(wide, tokens * width);
    fill(heads, tokens * c.q_width());
    fill(weight, c.d_model);
    fill(reinterpret_cast<float*>(kv.k), kv_layers * kv_bytes / index_t{sizeof(float)});
    fill(reinterpret_cast<float*>(kv.v), kv_layers * kv_bytes / index_t{sizeof(float)});
    return true;
  }

  template <class Body>
  void timed(Op op, const Body& body) {
    const double start = now();
    body();
    seconds[op] += now() - start;
  }
  void norm(float* y) {
    timed(norms, [&] {
      run.norm({x, y, tokens, c.d_model, c.d_model, c.layer_norm_with_weight ? weight : nullptr, nullptr,
                c.layer_norm_eps, NormOrder::cast_then_scale});
    });
  }

  void once(const std::stop_token& stop) {
    std::fill_n(seconds, int{ops}, 0.0);
    const Rows from_x{normed, tokens, c.d_model, c.d_model};
    for (index_t layer = 0; layer < c.n_layers && !stop.stop_requested(); ++layer) {
      const LayerMatrices m = layer_matrices(model.ready.index, model.ready.weights, layer);
      norm(normed);
      timed(qkv, [&] { m.k.data == nullptr ? run.product(from_x, m.q, wide) : run.products(from_x, m, wide); });
      KvHeads here = kv;
      here.k += layer * kv_bytes;
      here.v += layer * kv_bytes;
      AttentionRows a;
      a.q = wide, a.out = heads, a.kv = here, a.tokens = tokens, a.past = past;
      a.n_heads = c.n_heads, a.n_kv_heads = c.kv_heads();
      a.q_token = c.q_width() + 2 * c.kv_width(), a.out_token = c.q_width();
      a.scale = 1.0f / std::sqrt(static_cast<float>(c.head_size()));
      timed(attend, [&] { run.attend(a); });
      timed(o, [&] { run.product({heads, tokens, c.q_width(), c.q_width()}, m.o, normed); });
      norm(normed);
      timed(gate_up, [&] { c.gated ? run.gated(from_x, m, wide) : run.product(from_x, m.up, wide); });
      timed(down, [&] { run.product({wide, tokens, c.mlp_hidden_size, c.mlp_hidden_size}, m.down, normed); });
    }
    norm(normed);
    timed(head, [&] {
      run.product({normed, 1, c.d_model, c.d_model}, head_matrix(model.ready.index, model.ready.weights), logits);
    });
  }
};

}  // namespace

OpFigures time_ops(const Opened& model, index_t tokens, index_t past, double max_seconds, const std::stop_token& stop,
                   const std::function<void()>& whole_step) {
  const LlmConfig& c = model.file;
  Step step{model, c, tokens, past, *model.ready.ops};
  if (!step.prepare()) return {};
  std::vector<double> seconds[ops], whole;
  const double start = now();
  constexpr int least = 5, most = 201;  // odd: the median is one of them
  for (int round = -1; round < most && (round < least || now() - start < max_seconds); ++round) {
    step.once(stop);
    const double before = now();
    whole_step();
    if (stop.stop_requested()) return {};
    if (round < 0) continue;  // a warm-up
    whole.push_back(now() - before);
    for (int i = 0; i < ops; ++i) seconds[i].push_back(step.seconds[i]);
  }
  const auto median = [](std::vector<double>& values) {
    const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), half, values.end());
    return *half;
  };
  OpFigures result{std::vector<OpFigure>(ops), median(whole)};
  auto& out = result.ops;
  const LayerMatrices m = layer_matrices(model.ready.index, model.ready.weights, 0);
  const double layers = static_cast<double>(c.n_layers), t = static_cast<double>(tokens);
  const auto matrices = [&](Op op, double times, std::initializer_list<const WeightMatrix*> all) {
    double inputs = 0;
    for (const WeightMatrix* w : all) {
      if (w->data == nullptr) continue;
      const Cost cost = matmul_cost(op == head ? 1 : tokens, *w);
      out[op].flops += times * cost.flops;
      out[op].bytes += times * cost.bytes;
      if (inputs > 0) out[op].bytes -= times * inputs;  // x is shared
      inputs = (op == head ? 1 : t) * 4 * static_cast<double>(w->cols);
    }
  };
  const WeightMatrix logits = head_matrix(model.ready.index, model.ready.weights);
  matrices(qkv, layers, {&m.q, &m.k, &m.v});
  matrices(o, layers, {&m.o});
  matrices(gate_up, layers, {&m.gate, &m.up});
  matrices(down, layers, {&m.down});
  matrices(head, 1, {&logits});
  const auto q = static_cast<double>(c.q_width()), kv = static_cast<double>(c.kv_width());
  const double seen = t * static_cast<double>(past) + t * (t + 1) / 2;
  out[attend].flops = layers * 4 * q * seen;
  out[attend].bytes = layers * 4 * (2 * kv * (static_cast<double>(past) + t) + 2 * q * t);
  out[norms].bytes = (2 * layers + 1) * 4 * t * 2 * static_cast<double>(c.d_model);
  out[norms].flops = (2 * layers + 1) * t * 4 * static_cast<double>(c.d_model);
  out[norms].in_cache = true;
  for (int i = 0; i < ops; ++i) {
    OpFigure& op = out[static_cast<std::size_t>(i)];
    op.name = names[i];
    op.seconds = median(seconds[i]);
    op.calls = i == norms ? 2 * c.n_layers + 1 : i == head ? 1 : c.n_layers;
  }
  return result;
}

}  // namespace molmo_tool
