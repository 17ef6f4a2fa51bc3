// SPDX-License-Identifier: Apache-2.0
// A whole model on Xsimd without cpu.hpp.
// needs: xsimd
// expect: molmo: Xsimd has a fast [a-z_ ]+ in <molmo/ops/[a-z_]+/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/models/llm.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

inline constexpr molmo::LlmConfig tiny{
    .d_model = 64, .n_heads = 4, .n_layers = 2, .mlp_hidden_size = 96, .vocab_size = 50, .max_sequence_length = 64};
using Model = molmo::Llm<tiny>;

bool step(const Model& model, const molmo::Xsimd<>& cpu, const std::int32_t* ids, molmo::KvCacheView& kv,
          const molmo::LlmWorkspace& work, float* logits) {
  return model.forward(cpu, ids, 1, kv, work, logits, 1);
}
