// SPDX-License-Identifier: Apache-2.0
// Our side of the comparison with other engines: one JSON object per line in, one out; protocol.py says what they mean.
//
//   {"do": "load", "path": FOLDER, "threads": 2}     {"do": "prefill", "n": 512}     {"do": "logits", "n": 16}
//   {"do": "decode", "prompt": 32, "n": 64}          {"do": "limits", "bytes": 1e9, "threads": 2}     {"do": "quit"}
// The shapes are those of shapes.py, each a type of its own. Every answer has "ok"; a refusal says why in "reason".
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <molmo/bench/machine.hpp>
#include <molmo/cpu.hpp>
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <molmo/run.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace molmo;
using Json = nlohmann::json;

constexpr LlmConfig shape(index_t d, index_t layers, index_t heads, index_t kv_heads, index_t hidden) {
  return {.d_model = d,
          .n_heads = heads,
          .n_kv_heads = kv_heads,
          .n_layers = layers,
          .mlp_hidden_size = hidden,
          .vocab_size = 32000,
          .max_sequence_length = 2048,
          .weight_tying = true};
}
constexpr LlmConfig m15 = shape(288, 6, 6, 6, 768), m110 = shape(768, 12, 12, 12, 2048);
constexpr LlmConfig m1b = shape(2048, 16, 16, 16, 5504);
constexpr LlmConfig odd_320 = shape(320, 5, 5, 5, 864), odd_1000 = shape(1000, 10, 10, 10, 2720);
constexpr LlmConfig odd_1536 = shape(1536, 8, 12, 2, 8960);

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Json refusal(const std::string& reason) { return {{"ok", false}, {"reason", reason}}; }

/// The ids that every engine is fed with; protocol.py has the same formula.
std::vector<std::int32_t> ids_of(std::int64_t n) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 7919 + 13) % 31000 + 500));
  return ids;
}

class Worker {
 public:
  Json answer(const Json& request) {
    const std::string what = request.value("do", "");
    if (what == "load") return load(request);
    if (what == "limits") return limits(request);
    if (!session_) return refusal("no model is loaded");
    if (what == "prefill") return prefill(request.value("n", std::int64_t{512}));
    if (what == "decode")
      return decode(request.value("prompt", std::int64_t{32}), request.value("n", std::int64_t{64}));
    if (what == "logits") return logits(request.value("n", std::int64_t{16}));
    return refusal("unknown request '" + what + "'");
  }

 private:
  Json load(const Json& request) {
    const std::string folder = request.at("path");
    const int threads = request.value("threads", 1);
    const Clock::time_point start = Clock::now();
    const Xsimd<> cpu{threads};
    auto model = load_any<m15, m110, m1b, odd_320, odd_1000, odd_1536>(cpu, folder);
    if (!model) return refusal(model.error().message);
    if (request.value("tokenizer", false)) {
      auto tokenizer = Tokenizer::from_file(folder + "/tokenizer.json");
      if (!tokenizer) return refusal(tokenizer.error().message);
    }
    auto session = (*model)->start({.context = 2048});
    if (!session) return refusal(session.error().message);
    session_.reset();
    model_ = std::move(*model);
    session_ = std::move(*session);
    return {{"ok", true}, {"seconds", seconds_since(start)}, {"ran", "xsimd backend, f32 activations, f32 KV cache"}};
  }
  Json prefill(std::int64_t n) {
    const std::vector<std::int32_t> ids = ids_of(n);
    session_->rewind();
    const Clock::time_point start = Clock::now();
    if (const auto done = session_->prefill(ids); !done) return refusal(done.error().message);
    return {{"ok", true}, {"seconds", seconds_since(start)}};
  }
  Json decode(std::int64_t prompt, std::int64_t n) {
    const std::vector<std::int32_t> ids = ids_of(prompt + n);
    session_->rewind();
    if (const auto done = session_->prefill(std::span(ids).first(static_cast<std::size_t>(prompt))); !done)
      return refusal(done.error().message);
    std::vector<double> steps;
    for (std::int64_t i = 0; i < n; ++i) {
      const Clock::time_point start = Clock::now();
      if (const auto done = session_->decode(ids[static_cast<std::size_t>(prompt + i)]); !done)
        return refusal(done.error().message);
      steps.push_back(seconds_since(start));
    }
    return {{"ok", true}, {"steps", steps}};
  }
  /// After n ids: half of them as a prompt and the rest one by one, so that both paths are checked.
  Json logits(std::int64_t n) {
    const std::vector<std::int32_t> ids = ids_of(n);
    const std::size_t half = (ids.size() + 1) / 2;
    session_->rewind();
    if (const auto done = session_->prefill(std::span(ids).first(half)); !done) return refusal(done.error().message);
    for (std::size_t i = half; i < ids.size(); ++i)
      if (const auto done = session_->decode(ids[i]); !done) return refusal(done.error().message);
    const std::span<const float> found = session_->logits();
    return {{"ok", true}, {"logits", std::vector<float>(found.begin(), found.end())}};
  }
  /// The best of a few short measurements, of all threads and of one: what else runs on the machine only ever slows
  /// down.
  static Json limits(const Json& request) {
    const Xsimd<> all{request.value("threads", 1)}, one{1};
    const auto bytes = static_cast<std::size_t>(request.value("bytes", 1e9));
    double flops = 0, read = 0;
    for (int round = 0; round < 3; ++round)
      for (const Xsimd<>* cpu : {&all, &one}) {
        flops = std::max(flops, measure_flops(*cpu, Effort::quick).max);
        read = std::max(read, measure_read(*cpu, bytes, Effort::quick).max);
      }
    return {{"ok", true}, {"flops", flops}, {"read", read}};
  }

  std::unique_ptr<AnyLlm> model_;
  std::unique_ptr<AnySession> session_;  // goes before the model it uses
};

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  Worker worker;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line, nullptr, false);
    if (request.is_discarded() || !request.is_object()) {
      std::cout << refusal("not a JSON object").dump() << std::endl;
      continue;
    }
    if (request.value("do", "") == "quit") break;
    std::cout << worker.answer(request).dump() << std::endl;
  }
}
