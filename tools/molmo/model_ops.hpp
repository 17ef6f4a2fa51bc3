// SPDX-License-Identifier: Apache-2.0
// The ops of a model one by one, without its type: what `molmo bench` times. The backends have them compiled for their
// models already, so this adds hardly any code.
#pragma once

#include <molmo/ops/attention/attention.hpp>
#include <molmo/ops/matmul/matmul.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>
#include <molmo/ops/swiglu/swiglu.hpp>

#include <cstddef>

namespace molmo_tool {

using namespace molmo;

/// The matrices of one layer of a loaded model, where they lie. Those that it has not are null.
struct LayerMatrices {
  WeightMatrix q{}, k{}, v{};  ///< k and v null: q is all three
  WeightMatrix o{};
  WeightMatrix gate{}, up{}, down{};
};

/// Of compiled_in()[index], `model` being its Llm<config>.
[[nodiscard]] LayerMatrices layer_matrices(std::size_t index, const void* model, index_t layer);
[[nodiscard]] WeightMatrix head_matrix(std::size_t index, const void* model);

/// The ops of a backend.
class ModelOps {
 public:
  virtual ~ModelOps() = default;
  /// y = x w^T.
  virtual void product(const Rows& x, const WeightMatrix& w, float* y) const = 0;
  /// The same for q, k and v side by side in one step.
  virtual void products(const Rows& x, const LayerMatrices& w, float* y) const = 0;
  /// y = silu(x gate^T) * (x up^T).
  virtual void gated(const Rows& x, const LayerMatrices& w, float* y) const = 0;
  virtual void attend(const AttentionRows& a) const = 0;
  virtual void norm(const NormRows<float>& a) const = 0;
};

template <class Ctx>
class OpsOn final : public ModelOps {
 public:
  explicit OpsOn(const Ctx& ctx) : ctx_(ctx) {}
  void product(const Rows& x, const WeightMatrix& w, float* y) const override {
    multiply(ctx_, x, Product<float, Acc>{w, y, w.rows, acc});
  }
  void products(const Rows& x, const LayerMatrices& w, float* y) const override {
    const index_t all = w.q.rows + w.k.rows + w.v.rows;
    multiply(ctx_, x, Product<float, Acc>{w.q, y, all, acc}, Product<float, Acc>{w.k, y + w.q.rows, all, acc},
             Product<float, Acc>{w.v, y + w.q.rows + w.k.rows, all, acc});
  }
  void gated(const Rows& x, const LayerMatrices& w, float* y) const override {
    gated_multiply<activation_t<ActivationType::silu>, false>(ctx_, x, w.gate, w.up, nullptr, nullptr, y);
  }
  void attend(const AttentionRows& a) const override { attention(ctx_, a); }
  void norm(const NormRows<float>& a) const override { rms_norm_rows(ctx_, a); }

 private:
  Ctx ctx_;
};

}  // namespace molmo_tool
