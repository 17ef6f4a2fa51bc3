// SPDX-License-Identifier: Apache-2.0
// 03  A model of your own: sizes as a value, facts that the compiler knows, weights of your own making, one forward
// pass.
#include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>
#include <molmo/run/session.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

using namespace molmo;

// A small decoder with grouped-query attention and a tied head. A field that is left out has the value that LlmConfig
// gives it.
inline constexpr LlmConfig shrimp{.d_model = 128,
                                  .n_heads = 4,
                                  .n_kv_heads = 2,
                                  .n_layers = 3,
                                  .mlp_hidden_size = 352,
                                  .vocab_size = 1000,
                                  .max_sequence_length = 256,
                                  .attention_layer_norm = QkNorm::per_head,
                                  .weight_tying = true};

// The model is a type. A config that contradicts itself stops here, with one sentence that says why.
using Shrimp = Llm<shrimp>;

// What is known before the program runs, and may be a condition of it:
static_assert(Shrimp::config.head_size() == 32);
static_assert(Shrimp::parameters() < 700'000);
static_assert(Shrimp::weight_bytes<Bf16>() == 2 * Shrimp::parameters());
// layers, k and v, heads, head size, float
static_assert(Shrimp::kv_bytes_per_token() == 3 * 2 * 2 * 32 * 4);
// all that a session will ever allocate
static_assert(memory_plan<Shrimp>({.context = 256}).total() < 3 * 1024 * 1024);

int main() {
  const MemoryPlan plan = memory_plan<Shrimp>({.context = 256});
  std::printf("parameters         %td\n", Shrimp::parameters());
  std::printf("weights            %td bytes in f32, %td in bf16\n", Shrimp::weight_bytes<F32>(),
              Shrimp::weight_bytes<Bf16>());
  std::printf("one token          %.0f operations, %td bytes of KV cache\n", Shrimp::flops_per_token(),
              Shrimp::kv_bytes_per_token());
  std::printf("session of 256     %zu bytes: %zu KV cache, %zu workspace, %zu logits\n", plan.total(), plan.kv_cache,
              plan.workspace, plan.logits);

  // A model object only points at its weights. Usually they lie in a mapped checkpoint; here they are ours.
  std::vector<float> numbers(static_cast<std::size_t>(Shrimp::parameters()));
  unsigned seed = 1;
  for (float& x : numbers) {
    seed = seed * 1664525u + 1013904223u;
    x = (static_cast<float>(seed >> 8) * 0x1p-24f - 0.5f) * 0.2f;
  }

  // Every parameter has a name and a shape. This is the list that loaders, sizes and reports go by.
  Shrimp model;
  const float* next = numbers.data();
  int listed = 0;
  model.each_parameter([&]<class P>(const std::string& name, P& parameter) {
    const index_t rows = P::shape::static_rows, cols = P::shape::cols;
    if (name.starts_with("embedding") || name.starts_with("blocks.0."))
      std::printf("  %-34s %5td x %td\n", name.c_str(), rows, cols);
    parameter = View<const float, typename P::shape>(next);
    next += rows * cols;
    ++listed;
  });
  const bool all = next == numbers.data() + numbers.size();
  std::printf("  and so on: %d parameters in all\n", listed);

  // One forward pass: the logits of the token that would follow these three. The session owns the KV cache.
  auto session = make_session(model, Xsimd{2}, {.context = 256});
  if (!session) {
    std::fprintf(stderr, "%s\n", session.error().message.c_str());
    return 1;
  }
  const std::int32_t ids[] = {17, 4, 256};
  const auto logits = session->prefill(ids);
  if (!logits) {
    std::fprintf(stderr, "%s\n", logits.error().message.c_str());
    return 1;
  }
  const auto id = session->sample({}, 0);  // no options: the most likely one
  std::printf("after 3 tokens: %zu logits, the largest is that of token %d\n", logits->size(), id ? *id : -1);

  // What came in at once and what comes in one by one is the same text.
  std::vector<float> at_once(logits->begin(), logits->end());
  session->rewind();
  float difference = 0;
  for (const std::int32_t i : ids)
    if (!session->decode(i)) return 1;
  for (std::size_t i = 0; i < at_once.size(); ++i)
    difference = std::max(difference, std::abs(at_once[i] - session->logits()[i]));
  std::printf("one by one they differ by at most %g\n", static_cast<double>(difference));
  return all && id && session->length() == 3 && difference < 1e-4f ? 0 : 1;
}
