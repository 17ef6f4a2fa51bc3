// SPDX-License-Identifier: Apache-2.0
// From a folder to text, with the two models that are at hand: the demo's, which lies in the repository, and
// stories260K, which does not (its tests are skipped without it). Texts and logits from transformers:
// tests/data/golden/{shakespeare,stories260K}.
#if MOLMO_HAS_IO && MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#include <molmo/run.hpp>

#include "support/compare.hpp"
#include "support/golden.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr LlmConfig shakespeare{.d_model = 192, .n_heads = 6, .n_kv_heads = 2, .n_layers = 4, .mlp_hidden_size = 512, .vocab_size = 1024,
                                .max_sequence_length = 512, .norm_after = true, .layer_norm_eps = 1e-6,
                                .norm_order = NormOrder::scale_then_cast, .attention_layer_norm = QkNorm::whole, .weight_tying = true};

// A model, a session and a tokenizer.
struct Writer {
  std::unique_ptr<AnyLlm> model;
  std::unique_ptr<AnySession> session;
  Tokenizer tokenizer;
  GenerationConfig generation;

  static Writer open(const std::string& folder, int threads = 1) {
    auto model = load_any<shakespeare, stories260k>(Xsimd<>(threads), folder);
    if (!model) FAIL(model.error().message);
    auto session = (*model)->start();
    if (!session) FAIL(session.error().message);
    auto tokenizer = Tokenizer::from_file(folder + "/tokenizer.json");
    if (!tokenizer) FAIL(tokenizer.error().message);
    auto generation = read_generation_config(folder);
    if (!generation) FAIL(generation.error().message);
    return {std::move(*model), std::move(*session), std::move(*tokenizer), std::move(*generation)};
  }
  std::string write(std::string_view prompt, const GenerateOptions& o, Generated* about = nullptr) {
    session->rewind();
    std::string out;
    const auto r = generate(*session, tokenizer, prompt, o, [&](std::string_view piece) { out += piece; });
    if (!r) FAIL(r.error().message);
    if (about) *about = *r;
    return out;
  }
};

const std::string demo = text(MOLMO_MODELS_DIR, "/shakespeare");
const std::string stories = text(MOLMO_SHARED_DIR, "/models/stories260K");

bool stories_are_here() {
  if (!std::string_view(MOLMO_SHARED_DIR).empty() && std::filesystem::exists(stories)) return true;
  WARN("skipped: the model stories260K is not on this machine (it is looked for in ../shared/models)");
  return false;
}

// Logits have size 20 after four or five layers; torch's f32 sums differ from ours as in models/golden_test.cpp.
constexpr double of_logits = 2e-4;

}  // namespace

TEST_CASE("shakespeare: ids, logits and 64 greedy tokens of transformers", "[golden]") {
  const Golden g("shakespeare");
  for (const int threads : {1, 3}) {
    Writer w = Writer::open(demo, threads);
    for (const char* i : {"0", "1"}) {
      CAPTURE(threads, i);
      const std::string prompt = g.metadata(text("prompt_text.", i));
      const auto ids = w.tokenizer.encode(prompt);
      REQUIRE(ids);
      REQUIRE(*ids == g.ids(text("prompt.", i)));
      w.session->rewind();
      const auto logits = w.session->prefill(*ids);
      REQUIRE(logits);
      REQUIRE_CLOSE(*logits, g.floats(text("logits.", i)), of_logits);
      // The nearest second choice lies `smallest_margin` behind: well above what rounding moves.
      REQUIRE(g.number(text("smallest_margin.", i)) > 4 * of_logits);
      Generated about;
      CHECK(w.write(prompt, {.max_new = 64}, &about) == g.metadata(text("greedy_text.", i)));
      CHECK(about.new_tokens == 64);
      std::vector<std::int32_t> greedy;
      w.session->rewind();
      const auto r = generate_ids(*w.session, *ids, {.max_new = 64}, [&](std::int32_t id) {
        greedy.push_back(id);
        return true;
      });
      REQUIRE(r);
      REQUIRE(greedy == g.ids(text("greedy.", i)));
    }
  }
}

TEST_CASE("shakespeare: sampled text is the same for every number of threads, and differs by seed") {
  Writer one = Writer::open(demo, 1), many = Writer::open(demo, 8);
  GenerateOptions o = GenerateOptions::of(one.generation);
  CHECK(o.temperature > 0);
  o.max_new = 40;
  o.seed = 5;
  const std::string text = one.write("JULIET:\n", o);
  CHECK(text.size() > 40);
  CHECK(many.write("JULIET:\n", o) == text);
  CHECK(one.write("JULIET:\n", o) == text);
  o.seed = 6;
  CHECK(one.write("JULIET:\n", o) != text);
}

TEST_CASE("shakespeare: a text that goes on after a pause is the text") {
  Writer w = Writer::open(demo);
  Generated about;
  const std::string whole = w.write("ROMEO:\n", {.max_new = 30});
  const std::string first = w.write("ROMEO:\n", {.max_new = 12}, &about);
  REQUIRE(whole.starts_with(first));
  REQUIRE(about.pending >= 0);
  std::vector<std::int32_t> all, rest;
  const auto r = generate_ids(*w.session, std::vector<std::int32_t>{about.pending}, {.max_new = 18}, [&](std::int32_t id) {
    rest.push_back(id);
    return true;
  });
  REQUIRE(r);
  const auto decoded = w.tokenizer.decode(rest);
  CHECK(whole.ends_with(decoded));
  CHECK(first.size() + decoded.size() == whole.size());
}

TEST_CASE("stories260K: the known greedy text, from the tokenizer's BOS alone") {
  if (!stories_are_here()) return;
  for (const int threads : {1, 2}) {
    Writer w = Writer::open(stories, threads);
    CHECK(w.write("", {.max_new = 100}) ==
          "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. "
          "She wanted to play with it, but it was too high.\nLily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know w");
  }
}

TEST_CASE("stories260K: logits at every position and 100 greedy tokens of transformers", "[golden]") {
  if (!stories_are_here()) return;
  const Golden g("stories260K");
  Writer w = Writer::open(stories);
  const auto ids = g.ids("ids");
  const auto want = g.floats("logits");
  for (std::size_t n = 1; n <= ids.size(); ++n) {  // prefills of every length, each of which must end in its own row
    w.session->rewind();
    const auto logits = w.session->prefill(std::span(ids).first(n));
    REQUIRE(logits);
    CAPTURE(n);
    REQUIRE_CLOSE(*logits, std::vector<float>(want.begin() + static_cast<index_t>(n - 1) * 512, want.begin() + static_cast<index_t>(n) * 512), of_logits);
  }
  std::vector<std::int32_t> greedy;
  w.session->rewind();
  const auto r = generate_ids(*w.session, std::vector<std::int32_t>{1}, {.max_new = 100}, [&](std::int32_t id) {
    greedy.push_back(id);
    return true;
  });
  REQUIRE(r);
  REQUIRE(greedy == g.ids("greedy.ids"));
}
#endif
