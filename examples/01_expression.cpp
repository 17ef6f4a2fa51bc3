// SPDX-License-Identifier: Apache-2.0
// 01  Expressions: arithmetic on whole tensors that runs as one pass over memory, with the sizes checked by the
// compiler.
//
// Needs nothing but a C++20 compiler:   g++ -std=c++20 -O2 -I include examples/01_expression.cpp
#include <molmo/molmo.hpp>

#include <cmath>
#include <cstdio>

using namespace molmo;

int main() {
  // Who does the work. Reference is the calling thread with plain loops; put `Xsimd cpu{4}` of molmo/cpu.hpp here for
  // SIMD and four threads. Nothing else in this file would change.
  const Reference cpu;

  // Tensors own their elements: on the heap, 64-byte aligned, zero at first. Sizes are part of the type; one of them,
  // the first, may be `dyn`: the number of tokens, known at run time.
  constexpr index_t width = 8;
  const index_t tokens = 3;
  Tensor<float, dyn, width> x{tokens}, gate{tokens}, up{tokens}, y{tokens};
  Tensor<float, width> weight;
  for (index_t i = 0; i < x.size(); ++i) {
    x[i] = 0.5f * static_cast<float>(i);
    gate[i] = static_cast<float>(i % 5) - 2;
    up[i] = 2;
  }
  for (index_t c = 0; c < width; ++c) weight[c] = static_cast<float>(c);

  // The right side is a description; the assignment runs it, reading every operand once and writing y once.
  on(cpu, y) = x + silu(gate) * up;
  const float g = gate(1, 3);
  bool right = std::abs(y(1, 3) - (x(1, 3) + g / (1 + std::exp(-g)) * 2)) < 1e-5f;
  std::printf("x + silu(gate) * up at token 1, column 3:  %.4f\n", static_cast<double>(y(1, 3)));

  // Broadcasting: a number, a row (the same for every token) and a column (one number per token) stand beside rows of
  // tokens.
  Tensor<float, dyn> per_token{tokens};
  for (index_t t = 0; t < tokens; ++t) per_token[t] = static_cast<float>(t);
  on(cpu, y) = (x * weight + per_token) / 2;
  right = right && y(2, 4) == (x(2, 4) * 4 + 2) / 2;
  std::printf("(x * weight + per_token) / 2 at 2, 4:      %.4f\n", static_cast<double>(y(2, 4)));

  // Reductions. Over everything: a number. Over each row: a statement that stores one number per row.
  const float total = sum(cpu, x);
  const float largest = max_of(cpu, abs(gate));
  on(cpu, per_token) = row_sum(x * x);
  right = right && total == 138 && largest == 2 && per_token[0] == 35;
  std::printf("sum %.1f, largest |gate| %.1f, squares of token 0: %.1f\n", static_cast<double>(total),
              static_cast<double>(largest), static_cast<double>(per_token[0]));

  // So RMSNorm in two visible passes, and as the op that the library has for it:
  on(cpu, y) = x * rsqrt(per_token / static_cast<float>(width) + 1e-5f) * weight;
  Tensor<float, dyn, width> same{tokens};
  on(cpu, same) = rms_norm(x, weight, 1e-5);
  right = right && max_of(cpu, abs(y - same)) < 1e-6f;

  // An expression may have a name. It borrows its operands, as a string_view does.
  const auto swiglu = silu(gate) * up;
  on(cpu, y) = swiglu + swiglu;

  // Sizes that do not fit do not compile:
  //
  //   Tensor<float, 9> nine;
  //   on(cpu, y) = x + nine;
  //
  //   error: static assertion failed: molmo: operand shapes differ; required: equal shapes, a scalar, a row
  //   Shape<cols>, or a column Shape<dyn>; see the two shapes in shape_mismatch<...>
  //   ... in instantiation of struct molmo::v0::shape_mismatch<molmo::v0::Shape<-1, 8>, molmo::v0::Shape<9> >
  //   (-1 is dyn)
  //
  // Numbers of tokens are known at run time only; where they differ, the assignment throws before it writes anything:
  Tensor<float, dyn, width> four_tokens{4};
  bool refused = false;
  try {
    on(cpu, four_tokens) = x;
  } catch (const contract_error& e) {
    refused = true;
    std::printf("refused: %s\n", e.what());
  }
  return right && refused ? 0 : 1;
}
