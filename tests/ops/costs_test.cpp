// SPDX-License-Identifier: Apache-2.0
// The costs of the ops against numbers counted by hand.
#include <molmo/ops/costs.hpp>

#include <molmo/core/tensor.hpp>
#include <molmo/formats/bf16.hpp>
#include <molmo/ops/matmul/matmul.hpp>

#include "support/catch.hpp"

using namespace molmo;

TEST_CASE("softmax and norms: so many operations and bytes an element") {
  CHECK(softmax_cost(3, 5).flops == 15.0 * (4 + flops_of::exp));
  CHECK(softmax_cost(3, 5).bytes == 15.0 * 8);
  CHECK(softmax_cost(3, 5, 2).bytes == 15.0 * 4);
  CHECK(rms_norm_cost(3, 5).flops == 15.0 * 4);
  CHECK(rms_norm_cost(3, 5).bytes == 15.0 * 8 + 5 * 4);
  CHECK(rms_norm_cost(3, 5, false).flops == 15.0 * 3);
  CHECK(rms_norm_cost(3, 5, false, 2).bytes == 15.0 * 4);
  CHECK(layer_norm_cost(3, 5).flops == 15.0 * 7);
  CHECK(layer_norm_cost(3, 5).bytes == 15.0 * 8 + 2 * 5 * 4);
  CHECK(layer_norm_cost(3, 5, false, false).flops == 15.0 * 5);
  CHECK(layer_norm_cost(3, 5, true, false).bytes == 15.0 * 8 + 5 * 4);
}

TEST_CASE("rope: six operations a pair; embed: bytes only") {
  CHECK(rope_cost(3, 2, 8).flops == 3.0 * 2 * 4 * 6);
  CHECK(rope_cost(3, 2, 8).bytes == 3.0 * 2 * 8 * 8 + 3 * 4 * 2 * 4);
  Tensor<bf16, 10, 6> table;
  const WeightMatrix w = Weight<Shape<10, 6>>(table.view()).matrix();
  CHECK(embed_cost(4, w).flops == 0);
  CHECK(embed_cost(4, w).bytes == 4.0 * (6 * 2 + 6 * 4 + 4));
}

TEST_CASE("attention: visible pairs alone cost operations, cached rows are read once") {
  CHECK(causal_pairs(1, 9) == 10);
  CHECK(causal_pairs(4) == 1 + 2 + 3 + 4);
  CHECK(causal_pairs(2, 3) == 4 + 5);
  const AttentionWork decode{.pairs = causal_pairs(1, 99),
                             .tokens = 1,
                             .positions = 100,
                             .n_heads = 8,
                             .n_kv_heads = 2,
                             .key_width = 64,
                             .value_width = 64,
                             .cached = 2};
  CHECK(attention_cost(decode).flops == 8.0 * 100 * (256 + 5 + flops_of::exp));
  CHECK(attention_cost(decode).bytes == 4.0 * 8 * 128 + 2.0 * 100 * 2 * 128);
  AttentionWork windowed = decode;
  windowed.pairs = 10;
  CHECK(attention_cost(windowed).flops == attention_cost(decode).flops / 10);
}

TEST_CASE("a layer's cost is a sum") {
  const Cost both = rms_norm_cost(3, 5) + softmax_cost(3, 5);
  CHECK(both.flops == rms_norm_cost(3, 5).flops + softmax_cost(3, 5).flops);
}
