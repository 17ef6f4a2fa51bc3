// SPDX-License-Identifier: Apache-2.0
// Llama models with random weights in any format, packed as load() packs them, for benchmarks that need no files.
#pragma once

#include "matrices.hpp"

#include <molmo/cpu.hpp>
#include <molmo/models/llm.hpp>
#include <molmo/run/session.hpp>

#include <deque>
#include <type_traits>

namespace bench {

/// The shapes of the tables in docs/performance.md.
inline constexpr molmo::LlmConfig llama_15m{.d_model = 288,
                                            .n_heads = 6,
                                            .n_layers = 6,
                                            .mlp_hidden_size = 768,
                                            .vocab_size = 32000,
                                            .max_sequence_length = 8192};
inline constexpr molmo::LlmConfig llama_110m{.d_model = 768,
                                             .n_heads = 12,
                                             .n_layers = 12,
                                             .mlp_hidden_size = 2048,
                                             .vocab_size = 32000,
                                             .max_sequence_length = 8192};

/// A model of type M and the memory of its weights. Norm weights are one, biases zero.
template <class M>
class RandomModel {
 public:
  explicit RandomModel(FormatId format) {
    model_.each_parameter([&]<class P>(const std::string& name, P& parameter) {
      if constexpr (std::is_constructible_v<P, WeightMatrix>) {
        Matrix m = random_matrix(format, P::shape::static_rows, P::shape::cols);
        matrices_.push_back(molmo::has_panels(format) ? packed(m) : std::move(m));
        parameter = P(matrices_.back().w);
        bytes_ += matrices_.back().bytes();
      } else {
        const auto n = static_cast<std::size_t>(P::shape::cols);
        vectors_.emplace_back(n, name.ends_with("weight") ? 1.0f : 0.0f);
        parameter = P(vectors_.back().data());
      }
    });
  }
  [[nodiscard]] const M& operator*() const { return model_; }
  /// Bytes of all matrices.
  [[nodiscard]] index_t bytes() const { return bytes_; }
  /// Bytes of weights that a decode step reads: not the embedding, of which it reads a row.
  [[nodiscard]] index_t bytes_per_step() const {
    const index_t table = M::config.embedding_rows() * M::config.d_model;
    return M::config.weight_tying ? bytes_ : bytes_ - static_cast<index_t>(bytes_ * table / M::parameters());
  }

 private:
  M model_{};
  std::deque<Matrix> matrices_;
  std::deque<std::vector<float>> vectors_;
  index_t bytes_ = 0;
};

}  // namespace bench
