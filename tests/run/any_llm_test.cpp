// SPDX-License-Identifier: Apache-2.0
// AnyLlm: the checkpoint picks the type; the answers are those of the type itself; what is not compiled in is refused
// with the nearest config, what differs, and the line to add.
#if MOLMO_HAS_IO
#include <molmo/run/any_llm.hpp>

#include "io/hostile.hpp"
#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/golden_configs.hpp"

#include <string>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

using Ids = std::vector<std::int32_t>;

auto load_one_of_three(const std::string& folder, const LoadOptions& options = {}) {
  return load_any<llama_default, olmo2, qwen2>(Reference{}, folder, options);
}

std::string refused(const std::string& folder, errc code) {
  const auto r = load_one_of_three(folder);
  REQUIRE(!r.has_value());
  CHECK(r.error().code == code);
  return r.error().message;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("any_llm: each checkpoint finds its type, and computes what the golden says") {
  for (const char* name : {"llama_default", "olmo2", "qwen2"}) {
    CAPTURE(name);
    const auto model = load_one_of_three(golden_folder(name));
    REQUIRE(model);
    const Golden g(name);
    const ModelFacts& facts = (*model)->facts();
    CHECK(facts.parameters * 4 == static_cast<index_t>(facts.weight_bytes));
    CHECK(facts.config.vocab_size == 61);
    CHECK(facts.config.qkv_bias == (std::string(name) == "qwen2"));
    CHECK(facts.config.norm_after == (std::string(name) == "olmo2"));
    CHECK(facts.kv_bytes_per_token == 2 * 2 * 2 * 8 * 4);
    CHECK(facts.flops_per_token == 2.0 * static_cast<double>(facts.parameters - 61 * 48));

    auto session = (*model)->start({.context = 40});
    REQUIRE(session);
    AnySession& s = **session;
    CHECK((s.context() == 40 && s.length() == 0 && s.vocabulary() == 61));
    const Ids ids = g.ids("ids.33");
    const auto logits = s.prefill(ids);
    REQUIRE(logits);
    const auto all = g.floats("logits.33");
    REQUIRE_CLOSE(*logits, std::vector<float>(all.end() - 61, all.end()), 1e-4);  // as in models/golden_test.cpp
    REQUIRE_SAME_BITS(s.logits(), *logits);
    s.rewind();
    REQUIRE(s.prefill(g.ids("greedy.prompt")));
    for (const std::int32_t want : g.ids("greedy.ids")) {
      const auto id = s.sample({}, 0);
      REQUIRE(id);
      REQUIRE(*id == want);
      REQUIRE(s.decode(*id));
    }
    CHECK(s.length() == 7 + 5);
    CHECK(!s.decode(61));
    CHECK(!s.prefill({}));
  }
}

TEST_CASE("any_llm: the plan is the session's plan, and a session may be refused") {
  const auto model = load_one_of_three(golden_folder("olmo2"));
  REQUIRE(model);
  const MemoryPlan plan = (*model)->plan({.context = 10});
  CHECK(plan.kv_cache == 16u * 2 * 2 * 16 * 4);  // 10 positions take whole panels of 16
  CHECK(plan.total() == memory_plan<Llm<olmo2>>({.context = 10}).total());
  const auto s = (*model)->start({.context = -1});
  REQUIRE(!s);
  CHECK(s.error().code == errc::invalid_argument);
}

TEST_CASE("any_llm: a session keeps the weights of a model that is gone") {
  std::unique_ptr<AnySession> session;
  std::vector<float> want;
  {
    auto model = load_one_of_three(golden_folder("olmo2"));
    REQUIRE(model);
    auto s = (*model)->start({.context = 8});
    REQUIRE(s);
    REQUIRE((*s)->prefill(Ids{1, 2, 3}));
    want.assign((*s)->logits().begin(), (*s)->logits().end());
    auto of_a_temporary = (*load_one_of_three(golden_folder("olmo2")))->start({.context = 8});
    REQUIRE(of_a_temporary);
    session = std::move(*of_a_temporary);
  }
  REQUIRE(session->prefill(Ids{1, 2, 3}));
  REQUIRE_SAME_BITS(session->logits(), want);
}

TEST_CASE("any_llm: sessions see changes of nobody else") {
  const auto model = load_one_of_three(golden_folder("qwen2"));
  REQUIRE(model);
  auto a = (*model)->start({.context = 8}), b = (*model)->start({.context = 8});
  REQUIRE((a && b));
  REQUIRE((*a)->prefill(Ids{1, 2, 3}));
  const std::vector<float> before((*a)->logits().begin(), (*a)->logits().end());
  REQUIRE((*b)->prefill(Ids{9, 8, 7, 6}));
  REQUIRE_SAME_BITS((*a)->logits(), before);
  CHECK(((*a)->length() == 3 && (*b)->length() == 4));
}

TEST_CASE("any_llm: a shape that is not compiled in: the nearest, what differs, and the line to add") {
  const std::string qwen3_message = refused(golden_folder("qwen3"), errc::unsupported);
  CHECK(has(qwen3_message, "not compiled in"));
  CHECK(has(qwen3_message, "head_dim: the type has 8, the checkpoint 12"));
  CHECK(has(qwen3_message, "attention_layer_norm: the type has"));
  CHECK(has(qwen3_message, config_text(qwen3).substr(0, config_text(qwen3).find('{'))));
  CHECK(has(qwen3_message, ".attention_layer_norm = molmo::QkNorm::per_head"));

  // One layer less and a gelu: nearest is the llama, and only these two are named.
  const std::string gelu = refused(golden_folder("llama_gelu"), errc::unsupported);
  CHECK(has(gelu, "n_layers: the type has 2, the checkpoint 1"));
  CHECK(has(gelu, "activation_type: the type has silu, the checkpoint gelu"));
  CHECK(!has(gelu, "norm_after"));
  CHECK(!has(gelu, "qkv_bias: the type"));
  const auto line = gelu.find("inline constexpr molmo::LlmConfig my_model{.d_model = 48");
  REQUIRE(line != std::string::npos);
  CHECK(gelu.find("};", line) != std::string::npos);
}

TEST_CASE("any_llm: a checkpoint whose tensors are not what its config says") {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder("llama_default/config.json"), folder.path());
  std::filesystem::copy(golden_folder("qwen2/model.safetensors"), folder.path());
  const std::string message = refused(folder.path().string(), errc::mismatch);
  CHECK(has(message, "unused: model.layers.0.self_attn.q_proj.bias [48]"));
}

TEST_CASE("any_llm: read_model_config, for models that are not compiled in too") {
  const auto c = read_model_config(golden_folder("qwen3"));
  REQUIRE(c);
  CHECK(same_model(*c, qwen3));
  CHECK(!same_model(*c, qwen2));
  const auto none = read_model_config("/no/such/folder");
  REQUIRE(!none);
  CHECK(none.error().code == errc::not_found);
  CHECK(refused("/no/such/folder", errc::not_found).size() > 10);
}
#endif
