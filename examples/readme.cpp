// SPDX-License-Identifier: Apache-2.0
// The program that README.md shows, from the next line on (tests/docs compares them).
#include <molmo/cpu.hpp>  // SIMD and threads
#include <molmo/run.hpp>  // checkpoints, tokenizers, sessions, text
#include <cstdio>

// A model is a value; its type is that value between angle brackets.
inline constexpr molmo::LlmConfig shakespeare{
    .d_model = 192, .n_heads = 6, .n_kv_heads = 2, .n_layers = 4, .mlp_hidden_size = 512, .vocab_size = 1024,
    .max_sequence_length = 512, .norm_after = true, .layer_norm_eps = 1e-6,
    .norm_order = molmo::NormOrder::scale_then_cast, .attention_layer_norm = molmo::QkNorm::whole,
    .weight_tying = true};
static_assert(molmo::Llm<shakespeare>::parameters() < 2'000'000);

int main(int argc, char** argv) {
  using namespace molmo;
  const std::string folder = argc > 1 ? argv[1] : "models/shakespeare";
  const Xsimd cpu{2};                                                         // two threads
  const auto model = or_throw(load_any<shakespeare, olmo2_1b>(cpu, folder));  // whichever fits the folder
  const auto tokenizer = or_throw(Tokenizer::from_file(folder + "/tokenizer.json"));
  const auto session = or_throw(model->start());                              // KV cache and workspace
  or_throw(generate(*session, tokenizer, "ROMEO:", {.max_new = 100, .temperature = 0.8, .top_p = 0.95},
                    [](std::string_view piece) { std::printf("%.*s", int(piece.size()), piece.data()); }));
}
