// SPDX-License-Identifier: Apache-2.0
// The golden models behind one virtual interface: the files that instantiate the model types only register them, and
// all comparisons are written (and compiled) once, in models/golden_test.cpp.
#pragma once

#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif
#include <molmo/run/kv_cache.hpp>
#include <molmo/run/weights.hpp>

#include "support/cache.hpp"
#include "support/golden.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace molmo_test {

/// What one run of some ids computed, at every position.
struct Trace {
  std::vector<std::vector<float>> stream;  ///< after the embedding and after every layer, [S][D] each
  std::vector<float> normed;               ///< after the final norm, [S][D]
  std::vector<float> logits;               ///< [S][V]
  std::vector<float> keys;                 ///< all keys of the cache
};

/// Runs ids from an empty cache; `threads` 0 means the plain loops of Reference, else Xsimd.
class GoldenModel {
 public:
  virtual ~GoldenModel() = default;
  [[nodiscard]] virtual const molmo::LlmConfig& config() const = 0;
  [[nodiscard]] virtual molmo::index_t parameters() const = 0;
  /// `chunks` are the numbers of ids per step; their sum is ids.size().
  [[nodiscard]] virtual Trace run(int threads, std::span<const std::int32_t> ids, std::span<const molmo::index_t> chunks) const = 0;
};

/// A model type and the golden folder whose checkpoint fits it.
struct GoldenCase {
  std::string folder;
  std::unique_ptr<GoldenModel> (*load)(const std::string& folder);
};

/// All cases that this program knows, in no order.
inline std::vector<GoldenCase>& golden_cases() {
  static std::vector<GoldenCase> cases;
  return cases;
}

template <molmo::LlmConfig C>
class GoldenLlm final : public GoldenModel {
 public:
  using Model = molmo::Llm<C>;
  explicit GoldenLlm(molmo::Loaded<Model> loaded) : loaded_(std::move(loaded)) {}

  static std::unique_ptr<GoldenModel> load(const std::string& folder) {
    auto loaded = molmo::load<Model>(golden_folder(folder));
    if (!loaded) FAIL(loaded.error().message);
    return std::make_unique<GoldenLlm>(std::move(*loaded));
  }

  const molmo::LlmConfig& config() const override { return Model::config; }
  molmo::index_t parameters() const override { return Model::parameters(); }
  Trace run(int threads, std::span<const std::int32_t> ids, std::span<const molmo::index_t> chunks) const override {
#if MOLMO_HAS_XSIMD
    if (threads > 0) return run_on(molmo::Xsimd<>(threads), ids, chunks);
#else
    static_cast<void>(threads);
#endif
    return run_on(molmo::Reference{}, ids, chunks);
  }

 private:
  template <class Ctx>
  Trace run_on(const Ctx& ctx, std::span<const std::int32_t> ids, std::span<const molmo::index_t> chunks) const {
    constexpr molmo::index_t d = C.d_model;
    const auto size = static_cast<molmo::index_t>(ids.size());
    molmo::KvCache cache = molmo::KvCache::for_model<Model>(size);
    molmo::Arena arena(Model::workspace_bytes(size));
    const molmo::LlmWorkspace work = Model::make_workspace(arena, size);
    Trace t;
    t.stream.resize(static_cast<std::size_t>(C.n_layers + 1));
    t.logits.resize(static_cast<std::size_t>(size * Model::logits_size));
    molmo::index_t done = 0;
    for (const molmo::index_t n : chunks) {
      loaded_->forward(ctx, ids.data() + done, n, cache.view(), work, t.logits.data() + done * Model::logits_size, n,
                       [&](molmo::index_t layer, const auto& x) {
                         auto& into = t.stream[static_cast<std::size_t>(layer)];
                         into.insert(into.end(), x.data, x.data + n * d);
                         return true;
                       });
      t.normed.insert(t.normed.end(), work.x, work.x + n * d);
      done += n;
    }
    REQUIRE(cache.length() == size);
    t.keys = keys_of(cache.view(), C.n_layers);
    return t;
  }

  molmo::Loaded<Model> loaded_;
};

/// Registers folders of one config, before main() runs.
template <molmo::LlmConfig C>
bool golden_config(std::initializer_list<const char*> folders) {
  for (const char* folder : folders) golden_cases().push_back({folder, &GoldenLlm<C>::load});
  return true;
}

}  // namespace molmo_test
