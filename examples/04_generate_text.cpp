// SPDX-License-Identifier: Apache-2.0
// 04  Text from a checkpoint folder:   04_generate_text FOLDER [PROMPT]
// run: models/shakespeare JULIET:
#include <molmo/cpu.hpp>
#include <molmo/run.hpp>

#include <cstdio>

using namespace molmo;

// The shapes that this program can run. Each is a model type; the folder's config.json picks one of them.
inline constexpr LlmConfig shakespeare{
    .d_model = 192, .n_heads = 6, .n_kv_heads = 2, .n_layers = 4, .mlp_hidden_size = 512, .vocab_size = 1024,
    .max_sequence_length = 512, .norm_after = true, .layer_norm_eps = 1e-6, .norm_order = NormOrder::scale_then_cast,
    .attention_layer_norm = QkNorm::whole, .weight_tying = true};

int fail_with(const error& e) {
  std::fprintf(stderr, "%s\n", e.message.c_str());
  return 1;
}

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "models/shakespeare";
  const std::string prompt = argc > 2 ? argv[2] : "ROMEO:";

  const Xsimd cpu{0};  // one thread per core
  const auto model = load_any<shakespeare, stories260k>(cpu, folder);
  if (!model) return fail_with(model.error());
  const auto tokenizer = Tokenizer::from_file(folder + "/tokenizer.json");
  if (!tokenizer) return fail_with(tokenizer.error());
  const auto wishes = read_generation_config(folder);  // which tokens end a text, and how the authors would sample
  if (!wishes) return fail_with(wishes.error());
  const auto session = (*model)->start();
  if (!session) return fail_with(session.error());

  std::stop_source stop;  // any thread may call stop.request_stop()
  GenerateOptions options{.max_new = 200, .temperature = wishes->temperature.value_or(0.8), .top_k = 50, .seed = 1};
  options.end_tokens = wishes->eos_token_ids;
  options.stop = stop.get_token();

  int lines = 0;
  std::printf("%s", prompt.c_str());
  const auto done = generate(**session, *tokenizer, prompt, options, [&](std::string_view piece) {
    std::printf("%.*s", static_cast<int>(piece.size()), piece.data());
    std::fflush(stdout);
    for (const char c : piece) lines += c == '\n';
    return lines < 10;  // false ends the text
  });
  if (!done) return fail_with(done.error());
  std::printf("\n\n%td prompt tokens at %.0f per second, %td new ones at %.0f per second\n", done->prompt_tokens,
              done->prefill_rate(), done->new_tokens, done->decode_rate());
  return done->new_tokens > 0 ? 0 : 1;
}
