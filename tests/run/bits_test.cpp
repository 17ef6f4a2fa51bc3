// SPDX-License-Identifier: Apache-2.0
// Logits of the bundled model in every weight format: the same bits for any number of threads, and again.
#if MOLMO_HAS_IO && MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#include <molmo/run.hpp>
#include <molmo/run/quantize.hpp>

#include "support/compare.hpp"

#include <filesystem>
#include <string>
#include <vector>

using namespace molmo;

namespace {

constexpr LlmConfig shakespeare{.d_model = 192,
                                .n_heads = 6,
                                .n_kv_heads = 2,
                                .n_layers = 4,
                                .mlp_hidden_size = 512,
                                .vocab_size = 1024,
                                .max_sequence_length = 512,
                                .norm_after = true,
                                .layer_norm_eps = 1e-6,
                                .norm_order = NormOrder::scale_then_cast,
                                .attention_layer_norm = QkNorm::whole,
                                .weight_tying = true};

// The logits after a prefill of 70 ids and after each of 5 more.
std::vector<float> run(const Loaded<Llm<shakespeare>>& model, int threads) {
  auto session = make_session(model, Xsimd<>(threads), {.context = 128});
  REQUIRE(session);
  std::vector<std::int32_t> ids(70);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * i % 1000);
  std::vector<float> all;
  auto logits = session->prefill(ids);
  for (std::int32_t id = 1; id <= 6; ++id) {
    REQUIRE(logits);
    all.insert(all.end(), logits->begin(), logits->end());
    if (id < 6) logits = session->decode(id);
  }
  return all;
}

}  // namespace

TEST_CASE("logits have the same bits for any number of threads, in every weight format", "[threads]") {
  const std::string source = MOLMO_MODELS_DIR "/shakespeare";
  for (int f = 0; f < Formats::size; ++f) {
    const FormatId format = static_cast<FormatId>(f);
    CAPTURE(format_name(format));
    const auto folder = std::filesystem::temp_directory_path() / (std::string("molmo-bits-") + format_name(format));
    std::filesystem::remove_all(folder);
    REQUIRE(quantize_checkpoint(source, folder.string(), {.format = format, .keep = {}}));
    for (const Packing pack : {Packing::always, Packing::never}) {
      const auto model = load<Llm<shakespeare>>(folder.string(), {.pack = pack});
      REQUIRE(model);
      const auto one = run(*model, 1);
      REQUIRE_SAME_BITS(run(*model, 1), one);
      for (const int threads : {2, 3, 8}) REQUIRE_SAME_BITS(run(*model, threads), one);
    }
    std::filesystem::remove_all(folder);
  }
}
#endif
