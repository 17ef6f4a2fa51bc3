// SPDX-License-Identifier: Apache-2.0
// (The rules that refuse a config are in tests/must_not_compile.)
#include <molmo/core/config.hpp>

#include "support/catch.hpp"

using namespace molmo;

namespace {
constexpr LlmConfig plain{.d_model = 1024, .n_heads = 16, .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304};
constexpr LlmConfig grouped{.d_model = 1024,
                            .n_heads = 16,
                            .n_kv_heads = 4,
                            .head_dim = 128,
                            .n_layers = 2,
                            .mlp_hidden_size = 2816,
                            .vocab_size = 50257,
                            .embedding_size = 50304};
template <LlmConfig C>
struct Model {};
}  // namespace

TEST_CASE("sizes that were left out follow from the others") {
  STATIC_REQUIRE(Checked<plain>::value);
  STATIC_REQUIRE(plain.kv_heads() == 16);
  STATIC_REQUIRE(plain.head_size() == 64);
  STATIC_REQUIRE(plain.q_width() == 1024);
  STATIC_REQUIRE(plain.kv_width() == 1024);
  STATIC_REQUIRE(plain.embedding_rows() == 50304);
}

TEST_CASE("sizes that were given count") {
  STATIC_REQUIRE(Checked<grouped>::value);
  STATIC_REQUIRE(grouped.kv_heads() == 4);
  STATIC_REQUIRE(grouped.head_size() == 128);
  STATIC_REQUIRE(grouped.q_width() == 2048);
  STATIC_REQUIRE(grouped.kv_width() == 512);
  STATIC_REQUIRE(grouped.embedding_rows() == 50304);
}

TEST_CASE("a config is a template argument, and equal configs are one type") {
  constexpr LlmConfig again{
      .d_model = 1024, .n_heads = 16, .n_layers = 2, .mlp_hidden_size = 2816, .vocab_size = 50304};
  STATIC_REQUIRE(std::is_same_v<Model<plain>, Model<again>>);
  STATIC_REQUIRE_FALSE(std::is_same_v<Model<plain>, Model<grouped>>);
  STATIC_REQUIRE(std::is_aggregate_v<LlmConfig>);
}
