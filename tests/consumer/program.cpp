// SPDX-License-Identifier: Apache-2.0
// What a user's program does first: a config, an expression, a result. Every consumer project builds this file.
#include <molmo/molmo.hpp>

inline constexpr molmo::LlmConfig shrimp{.d_model = 1024,
                                         .n_heads = 16,
                                         .n_kv_heads = 4,
                                         .n_layers = 12,
                                         .mlp_hidden_size = 2816,
                                         .vocab_size = 50304};
static_assert(molmo::Checked<shrimp>::value);
static_assert(shrimp.head_size() == 64);

int main() {
  using namespace molmo;
  const Reference cpu{};
  Tensor<float, 64> x, gate, y;
  for (index_t i = 0; i < 64; ++i) {
    x[i] = static_cast<float>(i);
    gate[i] = 2;
  }
  on(cpu, y) = x * gate + 1;
  const result<int> refused = fail(errc::not_found, "no such thing");
  return y[63] == 127.0f && !refused && version.major == MOLMO_VERSION_MAJOR ? 0 : 1;
}
