// SPDX-License-Identifier: Apache-2.0
// 07  One block of a decoder, written down: the statements that README.md shows, in a program. A statement is one
// parallel step; nothing is allocated between them, and a width that does not fit is a compile error.
#include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>

#include <cstdio>

using namespace molmo;

namespace {

inline constexpr index_t d_model = 256, n_heads = 8, n_kv_heads = 2, head_dim = 32, hidden = 704, window = 48;
inline constexpr index_t q_width = n_heads * head_dim, kv_width = n_kv_heads * head_dim;

struct Weights {
  Tensor<float, d_model> attention_norm, mlp_norm;
  Tensor<float, q_width, d_model> q;
  Tensor<float, kv_width, d_model> k, v;
  Tensor<float, d_model, q_width> o;
  Tensor<float, hidden, d_model> gate, up;
  Tensor<float, d_model, hidden> down;
};

// What a step needs beside its input and its weights.
struct Workspace {
  explicit Workspace(index_t tokens)
      : n(tokens), q(tokens), o(tokens), k(tokens), v(tokens), h(tokens), cosines(tokens), sines(tokens) {}

  Tensor<float, dyn, d_model> n;
  Tensor<float, dyn, q_width> q, o;
  Tensor<float, dyn, kv_width> k, v;
  Tensor<float, dyn, hidden> h;
  Tensor<float, dyn, head_dim / 2> cosines, sines;
};

// A block of a Llama with a sliding window: x += attention(norm(x)); x += feed_forward(norm(x)).
template <class Ctx>
void block(const Ctx& cpu, View<float, Shape<dyn, d_model>> x, const Weights& w, Workspace& s) {
  auto& [n, q, o, k, v, h, cosines, sines] = s;
  on(cpu, n) = rms_norm(x, w.attention_norm, 1e-5);
  on(cpu, q, k, v) = matmul(n, w.q, w.k, w.v);
  on(cpu, heads<n_heads>(q)) = rope(heads<n_heads>(q), cosines, sines);
  on(cpu, heads<n_kv_heads>(k)) = rope(heads<n_kv_heads>(k), cosines, sines);
  on(cpu, heads<n_heads>(o)) =
      attend(heads<n_heads>(q), heads<n_kv_heads>(k), heads<n_kv_heads>(v)).where(causal && within(window));
  on(cpu, x) += matmul(o, w.o);
  on(cpu, n) = rms_norm(x, w.mlp_norm, 1e-5);
  on(cpu, h) = matmul(n, w.gate, w.up).then(silu(acc0) * acc1);
  on(cpu, x) += matmul(h, w.down);
}

// The angle of position p and pair i is p / 10000^(2 i / head_dim).
template <class Ctx>
void set_positions(const Ctx& cpu, Workspace& s) {
  on(cpu, s.sines) = cast<float>(row_index) * pow(10000.0, cast<float>(column_index) * (-2.0 / head_dim));
  on(cpu, s.cosines) = cos(s.sines);
  on(cpu, s.sines) = sin(s.sines);
}

// Numbers that look random, between -size and size.
template <class T>
void fill(T& x, float size, unsigned seed) {
  for (index_t i = 0; i < x.size(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (static_cast<float>(seed >> 8) * 0x1p-23f - 1) * size;
  }
}

}  // namespace

int main() {
  const Xsimd cpu{2};
  const index_t tokens = 100;

  Weights w;
  on(cpu, w.attention_norm) = 1;
  on(cpu, w.mlp_norm) = 1;
  fill(w.q, 0.1f, 1);
  fill(w.k, 0.1f, 2);
  fill(w.v, 0.1f, 3);
  fill(w.o, 0.1f, 4);
  fill(w.gate, 0.1f, 5);
  fill(w.up, 0.1f, 6);
  fill(w.down, 0.1f, 7);

  Tensor<float, dyn, d_model> x{tokens};
  fill(x, 1, 8);
  auto y = eval(cpu, x * 1);
  auto expected = eval(cpu, x * 1);

  Workspace s(tokens);
  set_positions(cpu, s);
  block(cpu, y.view(), w, s);

  // The same statements on the plain loops, in double precision: what they mean.
  set_positions(Reference{}, s);
  block(Reference{}, expected.view(), w, s);
  const float difference = max_of(cpu, abs(y - expected)), size = max_of(cpu, abs(expected));
  std::printf("%td tokens through a block; SIMD and plain loops differ by at most %.1e of %.1f\n", tokens,
              static_cast<double>(difference), static_cast<double>(size));

  // Without the last 40 tokens the others stay as they are: nobody sees what comes later.
  auto shorter = eval(cpu, slice(x, 0, 60) * 1);
  Workspace less(60);
  set_positions(cpu, less);
  block(cpu, shorter.view(), w, less);
  const float later = max_of(cpu, abs(shorter - slice(y, 0, 60)));
  std::printf("tokens that come later change earlier ones by at most %.1e\n", static_cast<double>(later));
  return difference < 1e-4f * size && later < 1e-4f * size ? 0 : 1;
}
