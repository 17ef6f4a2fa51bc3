// SPDX-License-Identifier: Apache-2.0
// What a user's unit with a 7B model holds: the model, its checkpoint, a session, generated text, the fast CPU backend.
// With MOLMO_SECOND_MODEL it holds a second model of the same head_dim.
#include <molmo/cpu.hpp>
#include <molmo/models/zoo/llama.hpp>
#include <molmo/molmo.hpp>
#include <molmo/run.hpp>

namespace {

template <molmo::LlmConfig Config>
molmo::status speak(const std::string& directory, const molmo::Tokenizer& tokenizer, std::string& out) {
  using Model = molmo::Llm<Config>;
  const auto model = molmo::load<Model>(directory);
  if (!model) return molmo::fail(model.error());
  auto session = molmo::make_session(model->model(), molmo::Xsimd{2});
  if (!session) return molmo::fail(session.error());
  const auto done = molmo::generate(*session, tokenizer, "The shrimp said", {.max_new = 64},
                                    [&out](std::string_view piece) { out += piece; });
  if (!done) return molmo::fail(done.error());
  return {};
}

}  // namespace

molmo::status program(const std::string& directory, const molmo::Tokenizer& tokenizer, std::string& out) {
  if (molmo::status s = speak<molmo::llama2_7b>(directory, tokenizer, out); !s) return s;
#ifdef MOLMO_SECOND_MODEL
  if (molmo::status s = speak<molmo::llama2_13b>(directory, tokenizer, out); !s) return s;
#endif
  return {};
}
