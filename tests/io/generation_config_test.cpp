// SPDX-License-Identifier: Apache-2.0
// generation_config.json over config.json, every value in its range.
#include "io/hostile.hpp"
#include "support/catch.hpp"

#include <molmo/io/generation_config.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace molmo;
using molmo_test::TemporaryFolder;

TEST_CASE("generation config: generation_config.json wins, config.json fills in", "[generation_config]") {
  const TemporaryFolder folder;
  const result<GenerationConfig> nothing = read_generation_config(folder.path().string());
  REQUIRE(nothing);
  CHECK(*nothing == GenerationConfig{});

  folder.write(
      "config.json",
      R"({"model_type": "llama", "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": null, "temperature": 0.7})");
  const result<GenerationConfig> old = read_generation_config(folder.path().string());
  REQUIRE(old);
  CHECK(old->bos_token_id == 1);
  CHECK(old->eos_token_ids == std::vector<std::int64_t>{2});
  CHECK_FALSE(old->pad_token_id);
  CHECK(old->temperature == 0.7);
  CHECK_FALSE(old->do_sample);

  folder.write("generation_config.json",
               R"({"eos_token_id": [128001, 128008, 128009], "do_sample": true, "temperature": 0.6, "top_p": 0.9,
      "top_k": 20, "repetition_penalty": 1.05, "pad_token_id": -1, "max_new_tokens": 100, "transformers_version": "4.45"})");
  const result<GenerationConfig> both = read_generation_config(folder.path().string());
  REQUIRE(both);
  CHECK(both->bos_token_id == 1);
  CHECK(both->eos_token_ids == std::vector<std::int64_t>{128001, 128008, 128009});
  CHECK_FALSE(both->pad_token_id);
  CHECK(both->do_sample == true);
  CHECK(both->temperature == 0.6);
  CHECK(both->top_p == 0.9);
  CHECK(both->top_k == 20);
  CHECK(both->repetition_penalty == 1.05);
  CHECK(both->max_new_tokens == 100);
}

TEST_CASE("generation config: values out of range name the file and the field", "[generation_config][hostile]") {
  const TemporaryFolder folder;
  for (const std::string_view bad :
       {R"("eos_token_id": -2)", R"("eos_token_id": "2")", R"("eos_token_id": [1, null])",
        R"("eos_token_id": [1, 2147483648])", R"("eos_token_id": 1e3)", R"("eos_token_id": {})",
        R"("bos_token_id": 9223372036854775808)", R"("bos_token_id": true)", R"("pad_token_id": 0.5)",
        R"("temperature": -1)", R"("temperature": "hot")", R"("temperature": 1e39)", R"("temperature": 1.7e308)", R"("top_p": 1.5)", R"("top_p": -0.1)", R"("top_k": -1)",
        R"("top_k": 1.0)", R"("repetition_penalty": 0)", R"("do_sample": 1)", R"("max_new_tokens": -1)"}) {
    folder.write("generation_config.json", text("{", bad, "}"));
    const result<GenerationConfig> r = read_generation_config(folder.path().string());
    CAPTURE(bad);
    REQUIRE_FALSE(r);
    const std::string field(bad.substr(1, bad.find('"', 1) - 1));
    CHECK(r.error().message.find("generation_config.json") != std::string::npos);
    CHECK(r.error().message.find(field) != std::string::npos);
  }
  std::string many = "{\"eos_token_id\": [0";
  for (int i = 1; i < 2000; ++i) many += text(",", i);
  folder.write("generation_config.json", many + "]}");
  CHECK_FALSE(read_generation_config(folder.path().string()));
  folder.write("generation_config.json", "[]");
  CHECK_FALSE(read_generation_config(folder.path().string()));
  folder.write("generation_config.json", "{");
  CHECK_FALSE(read_generation_config(folder.path().string()));
}

TEST_CASE("generation config: what nothing here does is listed, and only that", "[generation_config]") {
  const TemporaryFolder folder;
  const auto ignored = [&] {
    const result<GenerationConfig> r = read_generation_config(folder.path().string());
    REQUIRE(r);
    return r->ignored;
  };
  folder.write("config.json", R"({"num_beams": 1, "num_beam_groups": 1.0, "bad_words_ids": null, "suppress_tokens": [],
      "no_repeat_ngram_size": 0, "typical_p": 1.0, "guidance_scale": null, "min_length": 0, "hidden_size": 64,
      "do_sample": true, "min_p": 0.1, "repetition_penalty": 1.1, "stop_strings": ""})");
  CHECK(ignored().empty());
  folder.write("config.json", R"({"num_beams": 4, "no_repeat_ngram_size": 3, "suppress_tokens": [1, 2]})");
  CHECK(ignored() == std::vector<std::string>{"num_beams", "no_repeat_ngram_size", "suppress_tokens"});
  // generation_config.json wins: it switches one off, says another again, and has one of its own.
  folder.write("generation_config.json", R"({"num_beams": 1, "no_repeat_ngram_size": 2, "bad_words_ids": [[5]],
      "forced_eos_token_id": 0, "watermarking_config": {"bias": 2.0}, "stop_strings": "end", "typical_p": 0.9})");
  CHECK(ignored() == std::vector<std::string>{"suppress_tokens", "no_repeat_ngram_size", "bad_words_ids",
                                              "forced_eos_token_id", "typical_p", "watermarking_config", "stop_strings"});
}
