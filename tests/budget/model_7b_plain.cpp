// SPDX-License-Identifier: Apache-2.0
// A 7B model on the plain loops, with molmo.hpp alone: one step, by the thread that calls.
#include <molmo/molmo.hpp>
#if defined(MOLMO_BUDGET_XSIMD)
#include <molmo/cpu.hpp>
using Backend = molmo::Xsimd<>;
#else
using Backend = molmo::Reference;
#endif

inline constexpr molmo::LlmConfig seven_b{.d_model = 4096,
                                          .n_heads = 32,
                                          .n_layers = 32,
                                          .mlp_hidden_size = 11008,
                                          .vocab_size = 32000,
                                          .max_sequence_length = 4096};
using Model = molmo::Llm<seven_b>;
static_assert(Model::parameters() > 6'000'000'000 && Model::parameters() < 7'000'000'000);

bool step(const Model& model, const Backend& cpu, const std::int32_t* ids, molmo::index_t tokens, molmo::KvCacheView& kv,
          const molmo::LlmWorkspace& work, float* logits) {
  return model.forward(cpu, ids, tokens, kv, work, logits, 1);
}
