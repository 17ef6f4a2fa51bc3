// SPDX-License-Identifier: Apache-2.0
// 02  A matrix product and what follows it, in one go: bias, activation, gate and residual are applied while the
// product is stored, so nothing is written to memory twice.
#include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>

#include <cstdio>

using namespace molmo;

namespace {

// Numbers that look random, between -0.5 and 0.5.
void fill(float* p, index_t n, unsigned seed) {
  for (index_t i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = static_cast<float>(seed >> 8) * 0x1p-24f - 0.5f;
  }
}

}  // namespace

int main() {
  const Xsimd cpu{2};  // SIMD, two threads

  // A weight matrix is [out, in], as a linear layer stores it.
  constexpr index_t in = 256, out = 96;
  const index_t tokens = 5;
  Tensor<float, dyn, in> x{tokens};
  Tensor<float, out, in> w;
  Tensor<float, out> bias;
  Tensor<float, dyn, out> y{tokens}, residual{tokens}, step{tokens}, expected{tokens};
  fill(x.data(), x.size(), 1);
  fill(w.data(), w.size(), 2);
  fill(bias.data(), bias.size(), 3);
  fill(residual.data(), residual.size(), 4);

  // The plain product.
  on(cpu, y) = matmul(x, w);

  // `acc` is the element that the product is about to store. The epilogue is any pointwise expression of it.
  on(cpu, y) = matmul(x, w).then(silu(acc + bias) * 0.5f + residual);

  // The same in separate statements, each of which goes over memory again.
  on(cpu, step) = matmul(x, w);
  on(cpu, step) = silu(step + bias) * 0.5f;
  on(cpu, expected) = step + residual;
  const float difference = max_of(cpu, abs(y - expected));
  std::printf("fused and separate differ by at most %g\n", static_cast<double>(difference));

  // The target may stand in its own epilogue: that is how a layer adds to the residual stream.
  on(cpu, residual) = matmul(x, w).then(acc + residual);

  // A product is a statement and never an operand, so there are no hidden temporaries: `matmul(x, w) + residual` does
  // not compile; `matmul(x, w).then(acc + residual)` says it.

  // Weights may be bf16 or f16; they are widened in registers while they are read.
  Tensor<bf16, out, in> narrow;
  on(cpu, narrow) = w;  // rounds to nearest
  on(cpu, step) = matmul(x, narrow);
  on(cpu, expected) = matmul(x, w);
  const float rounding = max_of(cpu, abs(step - expected));
  std::printf("bf16 weights change the result by at most %.3f of %.3f\n", static_cast<double>(rounding),
              static_cast<double>(max_of(cpu, abs(expected))));

  // Reference computes every product in double precision, one element after another: the oracle.
  Tensor<float, dyn, out> oracle{tokens};
  on(Reference{}, oracle) = matmul(x, w);
  const float error = max_of(cpu, abs(expected - oracle));
  std::printf("SIMD differs from double precision by at most %g\n", static_cast<double>(error));

  return difference < 1e-5f && rounding > 0 && rounding < 0.05f && error < 1e-5f ? 0 : 1;
}
