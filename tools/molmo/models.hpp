// SPDX-License-Identifier: Apache-2.0
// What the commands know about models: which are compiled in, how to load one on a backend, and what a config costs.
#pragma once

#include <molmo/run/any_llm.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace molmo_tool {

using namespace molmo;

struct CompiledIn {
  std::string_view name;
  std::string_view where;  ///< its id on the Hugging Face hub, or the folder that comes with molmo
  bool on_hub;
  LlmConfig config;
};
/// In the order of config_list.hpp.
[[nodiscard]] std::span<const CompiledIn> compiled_in();
/// The index of this model in compiled_in(). errc::unsupported where it is not: the message names the nearest, what
/// differs, and the line to add.
[[nodiscard]] result<std::size_t> find_compiled_in(const LlmConfig& config);

/// The weights of a model, as Llm<config>, and what owns them.
struct Weights {
  virtual ~Weights() = default;
  const void* model = nullptr;
  std::uint64_t bytes = 0;
  /// bytes of what a decode step reads: all but a row or so of an embedding that is no head
  std::uint64_t read_per_token = 0;
};
[[nodiscard]] result<std::unique_ptr<Weights>> load_weights(std::size_t index, const std::string& directory,
                                                            const LoadOptions& options);
/// Random ones, which may take `available` bytes. errc::cancelled where `progress` says so.
[[nodiscard]] result<std::unique_ptr<Weights>> draw_weights(std::size_t index, FormatId format, std::uint64_t available,
                                                            const ProgressSink& progress);

/// Names of the backends of this program, the default first.
[[nodiscard]] std::span<const std::string_view> backends();

class ModelOps;
/// A model on a backend, which may have fewer threads than it was asked to.
struct Ready {
  std::unique_ptr<AnyLlm> model;
  std::string_view backend;
  int threads;
  std::shared_ptr<const ModelOps> ops;  ///< of the backend, with the same threads; see model_ops.hpp
  std::size_t index;                    ///< in compiled_in()
  const void* weights;                  ///< the Llm<config>, owned by `model`
};
[[nodiscard]] Ready run_on(std::string_view backend, int threads, std::size_t index, std::unique_ptr<Weights> weights);

/// Numbers in a checkpoint of this config, compiled in or not.
[[nodiscard]] constexpr index_t parameters_of(const LlmConfig& c) {
  const auto norm = [&](index_t n) { return c.layer_norm_with_weight ? n * (c.layer_norm_with_bias ? 2 : 1) : 0; };
  const index_t q = c.q_width(), kv = c.kv_width(), d = c.d_model, f = c.mlp_hidden_size;
  const index_t matrices = d * (2 * q + 2 * kv) + d * f * (c.gated ? 3 : 2);
  const index_t biases =
      (c.qkv_bias ? q + 2 * kv : 0) + (c.attention_out_bias ? d : 0) + (c.mlp_bias ? f * (c.gated ? 2 : 1) + d : 0);
  const index_t qk = c.attention_layer_norm == QkNorm::whole      ? norm(q) + norm(kv)
                     : c.attention_layer_norm == QkNorm::per_head ? 2 * norm(c.head_size())
                                                                  : 0;
  return d * c.embedding_rows() * (c.weight_tying ? 1 : 2) + d * c.additional_vocab_size +
         c.n_layers * (matrices + biases + qk + 2 * norm(d)) + norm(d);
}
/// Bytes of KV cache per position.
[[nodiscard]] constexpr index_t kv_bytes_of(const LlmConfig& c) {
  return molmo::kv_bytes_per_token(c);
}
/// The memory of a session, as memory_plan<Llm<c>> has it.
[[nodiscard]] constexpr MemoryPlan memory_plan_of(const LlmConfig& c, SessionOptions o) {
  o = molmo::detail::resolved(o, c.max_sequence_length);
  return {molmo::kv_cache_bytes(c, o.context, o.kv_format), molmo::llm_workspace_bytes(c, o.prefill_chunk),
          molmo::detail::logits_bytes(c.embedding_rows(), o)};
}
/// Floating-point operations of a prefill of n tokens into an empty cache; logits for the last one only.
[[nodiscard]] constexpr double prefill_flops_of(const LlmConfig& c, index_t n) {
  const double head = static_cast<double>(c.embedding_rows() * c.d_model);
  const double tables = head * (c.weight_tying ? 1 : 2) + static_cast<double>(c.additional_vocab_size * c.d_model);
  const double matrices = static_cast<double>(parameters_of(c)) - tables;
  const double tokens = static_cast<double>(n);
  return 2 * matrices * tokens + 2 * head +
         4.0 * static_cast<double>(c.n_layers * c.q_width()) * tokens * (tokens + 1) / 2;
}

}  // namespace molmo_tool
