// SPDX-License-Identifier: Apache-2.0
// Fuzzes what reads JSON of the size of config.json. First byte 'i': the rest is a shard index; anything else: it is a
// config.json or generation_config.json, the first byte included (they begin with '{').
#include "fuzz.hpp"

#include <molmo/io/generation_config.hpp>
#include <molmo/io/json.hpp>
#include <molmo/io/shard_index.hpp>
#include <molmo/models/zoo/load_config.hpp>

#include <string>
#include <string_view>

using namespace molmo;
using molmo_fuzz::expect;
using molmo_fuzz::expect_message;

namespace {

void check_index(std::string_view text) {
  const result<ShardIndex> r = ShardIndex::parse(text, "index");
  if (!r) return expect_message(r.error().message);
  expect(!r->tensors.empty() && !r->shards.empty(), "an index names tensors");
  for (const std::string& s : r->shards)
    expect(is_plain_file_name(s) && s.find('/') == s.npos && s.find("..") != 0, "shards stay in their folder");
  for (const ShardIndex::Tensor& t : r->tensors)
    expect(r->find(t.name) == &t && t.shard < r->shards.size(), "every tensor is found by its name");
}

void check_config(std::string_view text) {
  const result<json::Value> v = json::parse(text, {.source = "config.json"});
  if (!v) return expect_message(v.error().message);

  GenerationConfig g;
  if (const status s = read_generation_fields(*v, g); !s) expect_message(s.error().message);
  for (const std::int64_t id : g.eos_token_ids) expect(id >= 0 && id <= detail::max_token_id, "ids are in range");

  if (const result<std::string> q = zoo::read_quantization(*v); !q)
    expect_message(q.error().message);
  else
    expect(q->empty() || *q == "q8" || *q == "q4", "a quantisation is known");

  const result<LlmConfig> c = zoo::read_config(*v);
  if (!c) return expect_message(c.error().message);
  expect(c->d_model > 0 && c->n_heads > 0 && c->n_layers > 0 && c->mlp_hidden_size > 0 && c->vocab_size > 0,
         "sizes are positive");
  expect(c->n_heads % c->kv_heads() == 0 && c->head_size() % 2 == 0 && c->head_size() > 0, "heads fit");
  expect(c->layer_norm_eps > 0 && c->rope_theta > 0 && c->rope_factor > 0 && c->max_sequence_length > 0,
         "switches are in range");
  // no product of sizes that a loader would form overflows
  index_t weights = 0;
  expect(!__builtin_mul_overflow(c->d_model, c->q_width() + c->kv_width() + c->mlp_hidden_size, &weights) &&
             !__builtin_mul_overflow(weights, 16 * c->n_layers, &weights),
         "the number of weights is a number");
  expect(differences(*c, *c).empty() && config_distance(*c, *c) == 0 && same_model(*c, normalised(*c)),
         "a config equals itself");
  expect(config_text(*c).starts_with("inline constexpr molmo::LlmConfig"), "a config can be written");
  expect(!zoo::nearest_published(*c).name.empty(), "something is nearest");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string copy(reinterpret_cast<const char*>(data), size);
  if (copy[0] == 'i')
    check_index(std::string_view(copy).substr(1));
  else
    check_config(copy);
  return 0;
}
