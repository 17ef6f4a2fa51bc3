// SPDX-License-Identifier: Apache-2.0
// How far a model in q8 or q4 has moved from the same model unquantised, and how much of that comes from its weights
// and how much from rounding activations to bytes:
//
//   molmo_bench_divergence [--model models/shakespeare] --text FILE [--last 0.1] [--tokens 20000] [--bos 0] [--json]
// The text is read in windows as long as the model's context. At every position stands KL(p, q), the sum over the
// vocabulary of p log(p / q) in nats: p the model as it is, q the quantised one, once with exact() (activations stay
// f32) and once as the backend does it by default (activations become bytes where the instruction set has products of
// bytes). Beside it stand the nats per token of the text, as in `molmo perplexity`. Sums are in double precision.
#include "common.hpp"

#include <molmo/cpu.hpp>
#include <molmo/run.hpp>
#include <molmo/run/quantize.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace molmo;
using namespace bench;

namespace {

inline constexpr LlmConfig shakespeare{.d_model = 192,
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

// log p of every token of the vocabulary: [vocabulary]
void log_softmax(std::span<const float> logits, std::vector<double>& out) {
  double top = -1e30, sum = 0;
  for (const float v : logits) top = std::max(top, static_cast<double>(v));
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - top);
  const double shift = top + std::log(sum);
  out.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) out[i] = static_cast<double>(logits[i]) - shift;
}

struct Sums {
  double divergence = 0, nats = 0, nats_before = 0;
  std::size_t tokens = 0;
};

// Both models read the same windows, one token after the other.
result<Sums> compare(AnySession& before, AnySession& after, std::span<const std::int32_t> ids, std::int32_t begin) {
  Sums out;
  std::vector<double> p, q;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const bool first = out.tokens % static_cast<std::size_t>(before.context()) == 0;
    if (first) before.rewind(), after.rewind();
    const auto one = before.decode(first ? begin : ids[i - 1]);
    const auto two = after.decode(first ? begin : ids[i - 1]);
    if (!one) return fail(one.error());
    if (!two) return fail(two.error());
    log_softmax(*one, p);
    log_softmax(*two, q);
    for (std::size_t v = 0; v < p.size(); ++v) out.divergence += std::exp(p[v]) * (p[v] - q[v]);
    out.nats -= q[static_cast<std::size_t>(ids[i])];
    out.nats_before -= p[static_cast<std::size_t>(ids[i])];
    ++out.tokens;
  }
  return out;
}

result<void> run(Report& report, const std::string& folder, const std::string& text, std::size_t most,
                 std::int32_t begin) {
  const Xsimd<> cpu{1};
  const auto tokenizer = Tokenizer::from_file(folder + "/tokenizer.json");
  if (!tokenizer) return fail(tokenizer.error());
  auto ids = tokenizer->encode(text, {.add_special = false});
  if (!ids) return fail(ids.error());
  if (ids->size() > most) ids->resize(most);
  const auto before = load_any<shakespeare, stories260k>(cpu, folder);
  if (!before) return fail(before.error());
  const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
  const auto scratch = std::filesystem::temp_directory_path() / fmt::format("molmo-divergence-{}", ticks);
  std::filesystem::remove_all(scratch);
  for (const FormatId format : {format_id<Q8>, format_id<Q4>})
    for (const bool all : {false, true}) {
      QuantizeOptions how{.format = format};
      if (all) how.keep.clear();
      if (const auto made = quantize_checkpoint(folder, scratch.string(), how); !made) return fail(made.error());
      for (const bool exact : {true, false}) {
        const auto after = load_any<shakespeare, stories260k>(exact ? cpu.exact() : cpu, scratch.string());
        if (!after) return fail(after.error());
        const auto one = (*before)->start(), two = (*after)->start();
        if (!one) return fail(one.error());
        if (!two) return fail(two.error());
        const auto sums = compare(**one, **two, *ids, begin);
        if (!sums) return fail(sums.error());
        const double n = static_cast<double>(sums->tokens);
        report.row({word("format", std::string(format_name(format))),
                    word("weights                   ", all ? "all matrices" : "all but embedding and head"),
                    word("activations  ", exact ? "f32" : "as by default"),
                    number("KL, 1e-6 nats", sums->divergence / n * 1e6), number("nats per token", sums->nats / n, 5),
                    number("more than unquantised", (sums->nats - sums->nats_before) / n, 5),
                    whole("tokens", static_cast<long>(sums->tokens))});
      }
      std::filesystem::remove_all(scratch);
    }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "How far quantised weights, and activations in bytes, move a model.");
  const std::string folder =
      options.get("--model", MOLMO_MODELS_DIR "/shakespeare", "the bundled model or stories260K");
  const std::string file = options.get("--text", "", "a text that the model knows");
  const std::string last = options.get("--last", "1", "the part of it that is read, counted from the end");
  const long most = options.get("--tokens", 20000, "of it at most");
  const long begin = options.get("--bos", 0, "the token before every window");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.empty()) {
    fmt::print(stderr, "--text {}: nothing to read\n", file);
    return 2;
  }
  const double part = std::min(1.0, std::max(0.0, std::atof(last.c_str())));
  text.erase(0, static_cast<std::size_t>(std::llround(static_cast<double>(text.size()) * (1 - part))));
  Report report(json);
  const auto done = run(report, folder, text, static_cast<std::size_t>(most), static_cast<std::int32_t>(begin));
  if (!done) fmt::print(stderr, "{}\n", done.error().message);
  return done ? 0 : 1;
}
