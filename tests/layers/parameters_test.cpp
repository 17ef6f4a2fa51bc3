// SPDX-License-Identifier: Apache-2.0
// The parameter manifest: names in order, counts while compiling, for every kind of block.
#include <molmo/layers/block.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

using namespace molmo;

namespace {

constexpr LlmConfig plain{.d_model = 48, .n_heads = 6, .n_kv_heads = 2, .n_layers = 1, .mlp_hidden_size = 40, .vocab_size = 61};
constexpr LlmConfig changed(auto change) {
  LlmConfig c = plain;
  change(c);
  return c;
}
constexpr LlmConfig with_everything = changed([](LlmConfig& c) {
  c.qkv_bias = c.attention_out_bias = c.mlp_bias = true;
  c.attention_layer_norm = QkNorm::whole;
});
constexpr LlmConfig fused = changed([](LlmConfig& c) { c.block_type = BlockType::sequential; });
constexpr LlmConfig bare = changed([](LlmConfig& c) {
  c.layer_norm_type = LayerNormType::layer_norm;
  c.layer_norm_with_weight = false;
  c.gated = false;
});
constexpr LlmConfig per_head = changed([](LlmConfig& c) {
  c.attention_layer_norm = QkNorm::per_head;
  c.layer_norm_with_bias = true;
});

template <LlmConfig C>
using BlockOf = Block<BlockShape::of(C)>;

template <LlmConfig C>
std::vector<std::string> names() {
  std::vector<std::string> out;
  BlockOf<C> block;
  walk("b", block, [&](const std::string& name, auto&) { out.push_back(name); });
  return out;
}

// q and o 48 x 48, k and v 16 x 48, gate, up and down 40 x 48, two norms.
constexpr index_t matrices = 2 * 48 * 48 + 2 * 16 * 48 + 3 * 40 * 48;
static_assert(parameter_count<BlockOf<plain>>() == matrices + 2 * 48);
static_assert(parameter_count<BlockOf<fused>>() == matrices + 2 * 48);
static_assert(parameter_count<BlockOf<with_everything>>() == matrices + 2 * 48 + (48 + 16 + 16 + 48) + (40 + 40 + 48) + (48 + 16));
static_assert(parameter_count<BlockOf<bare>>() == matrices - 40 * 48);
static_assert(parameter_count<BlockOf<per_head>>() == matrices + 2 * 48 + 2 * 48 + 8 + 8);

}  // namespace

TEST_CASE("parameters: full names, in the order of the layer") {
  using Names = std::vector<std::string>;
  CHECK(names<plain>() == Names{"b.attention_norm.weight", "b.attention.q.weight", "b.attention.k.weight", "b.attention.v.weight",
                                "b.attention.o.weight", "b.feed_forward_norm.weight", "b.feed_forward.gate.weight",
                                "b.feed_forward.up.weight", "b.feed_forward.down.weight"});
  CHECK(names<fused>() == Names{"b.attention_norm.weight", "b.attention.att_proj.weight", "b.attention.o.weight",
                                "b.feed_forward_norm.weight", "b.feed_forward.ff_proj.weight", "b.feed_forward.down.weight"});
  CHECK(names<bare>() == Names{"b.attention.q.weight", "b.attention.k.weight", "b.attention.v.weight", "b.attention.o.weight",
                               "b.feed_forward.up.weight", "b.feed_forward.down.weight"});
  CHECK(names<with_everything>().size() == 9 + 7 + 2);
  CHECK(names<per_head>().size() == 9 + 2 + 2);
}

TEST_CASE("parameters: the number of elements met is the number counted") {
  BlockOf<with_everything> block;
  index_t met = 0;
  walk("", block, [&]<class P>(const std::string& name, P&) {
    CHECK(name.front() != '.');
    met += P::shape::static_rows * P::shape::cols;
  });
  CHECK(met == parameter_count<BlockOf<with_everything>>());
}

TEST_CASE("parameters: what has no effect on a block is no part of its type") {
  constexpr LlmConfig other = changed([](LlmConfig& c) {
    c.n_layers = 9;
    c.vocab_size = 1000;
    c.rope_theta = 5;
    c.layer_norm_eps = 1e-3;
    c.weight_tying = true;
    c.n_kv_heads = 2;
    c.head_dim = 8;
  });
  STATIC_REQUIRE(std::is_same_v<BlockOf<plain>, BlockOf<other>>);
  STATIC_REQUIRE(!std::is_same_v<BlockOf<plain>, BlockOf<fused>>);
}
