// SPDX-License-Identifier: Apache-2.0
// config.json of every family: what it means, and what is refused, with the field named.
#include "io/hostile.hpp"
#include "support/catch.hpp"

#include <molmo/io/json_file.hpp>
#include <molmo/models/zoo/families.hpp>
#include <molmo/models/zoo/load_config.hpp>

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace molmo;
using namespace std::string_view_literals;

namespace {

result<LlmConfig> read(std::string_view json) {
  const result<json::Value> v = json::parse(json, {.source = "config.json"});
  if (!v) return fail(v.error());
  return zoo::read_config(*v);
}

std::string outcome(std::string_view json) {
  const result<LlmConfig> c = read(json);
  return c ? "ok" : c.error().message;
}

/// A valid config of the family with `changes` put over it: {"field", "value"}; an empty value removes the field.
std::string config(std::string_view model_type, std::vector<std::pair<std::string, std::string>> changes = {}) {
  std::vector<std::pair<std::string, std::string>> fields{{"model_type", text("\"", model_type, "\"")},
                                                          {"hidden_size", "48"},
                                                          {"num_attention_heads", "6"},
                                                          {"num_key_value_heads", "2"},
                                                          {"num_hidden_layers", "2"},
                                                          {"intermediate_size", "40"},
                                                          {"vocab_size", "61"},
                                                          {"max_position_embeddings", "64"},
                                                          {"hidden_act", "\"silu\""},
                                                          {"rope_theta", "10000.0"},
                                                          {"tie_word_embeddings", "false"}};
  for (const auto& [name, value] : changes) {
    std::erase_if(fields, [&](const auto& f) { return f.first == name; });
    if (!value.empty()) fields.emplace_back(name, value);
  }
  std::string out = "{";
  for (const auto& [name, value] : fields) out += text(out.size() > 1 ? "," : "", "\"", name, "\":", value);
  return out + "}";
}

LlmConfig valid(std::string_view model_type, std::vector<std::pair<std::string, std::string>> changes = {}) {
  const result<LlmConfig> c = read(config(model_type, std::move(changes)));
  if (!c) FAIL(c.error().message);
  return *c;
}

void refused(const std::string& json, std::string_view field, errc code = errc::format) {
  const result<LlmConfig> c = read(json);
  CAPTURE(json);
  REQUIRE_FALSE(c);
  CAPTURE(c.error().message);
  CHECK(c.error().code == code);
  CHECK(c.error().message.find(field) != std::string::npos);
  CHECK(c.error().message.size() < 500);
}

}  // namespace

TEST_CASE("zoo: what each family fixes and what its config says", "[zoo]") {
  const LlmConfig llama = valid("llama", {{"rms_norm_eps", "1e-05"}});
  CHECK(llama.d_model == 48);
  CHECK(llama.n_kv_heads == 2);
  CHECK(llama.head_dim == 8);
  CHECK(llama.layer_norm_eps == 1e-5);
  CHECK(llama.max_sequence_length == 64);
  CHECK_FALSE(llama.qkv_bias);
  CHECK(valid("llama").layer_norm_eps == 1e-6);
  const LlmConfig biased = valid(
      "llama", {{"attention_bias", "true"}, {"mlp_bias", "true"}, {"tie_word_embeddings", "true"}, {"head_dim", "12"}});
  CHECK((biased.qkv_bias && biased.attention_out_bias && biased.mlp_bias && biased.weight_tying));
  CHECK(biased.head_dim == 12);

  const LlmConfig qwen2 =
      valid("qwen2", {{"use_sliding_window", "false"}, {"sliding_window", "131072"}, {"max_window_layers", "1"}});
  CHECK(qwen2.qkv_bias);
  CHECK_FALSE(qwen2.attention_out_bias);

  const LlmConfig qwen3 = valid("qwen3");
  CHECK(qwen3.head_dim == 128);
  CHECK(qwen3.attention_layer_norm == QkNorm::per_head);
  CHECK_FALSE(qwen3.qkv_bias);

  const LlmConfig olmo = valid("olmo", {{"clip_qkv", "8.0"}});
  CHECK(olmo.layer_norm_type == LayerNormType::layer_norm);
  CHECK_FALSE(olmo.layer_norm_with_weight);
  CHECK(olmo.clip_qkv == 8);
  CHECK(valid("olmo", {{"clip_qkv", "null"}}).clip_qkv == 0);

  const LlmConfig olmo2 = valid("olmo2");
  CHECK(olmo2.norm_after);
  CHECK(olmo2.norm_order == NormOrder::scale_then_cast);
  CHECK(olmo2.attention_layer_norm == QkNorm::whole);
  CHECK(olmo2.layer_norm_eps == 1e-5);

  CHECK(valid("llama", {{"num_key_value_heads", "null"}}).n_kv_heads == 6);
  CHECK(valid("llama", {{"num_key_value_heads", ""}}).n_kv_heads == 6);
  CHECK(valid("llama", {{"head_dim", "null"}}).head_dim == 8);
  CHECK(valid("llama", {{"tie_word_embeddings", ""}}).weight_tying == false);
  CHECK(valid("llama", {{"rope_theta", ""}}).rope_theta == 10000);
  for (const std::string_view family : {"llama"sv, "qwen2"sv, "qwen3"sv, "olmo2"sv})
    CHECK(valid(family, {{"rms_norm_eps", "0.0"}}).layer_norm_eps == 0);
  CHECK(valid("llama", {{"layer_types", "[\"full_attention\",\"full_attention\"]"}}).n_layers == 2);
}

TEST_CASE("zoo: activations by all their names", "[zoo]") {
  const struct {
    std::string_view name;
    ActivationType type;
  } all[] = {{"silu", ActivationType::silu},
             {"gelu", ActivationType::gelu},
             {"gelu_python", ActivationType::gelu},
             {"gelu_new", ActivationType::gelu_tanh},
             {"gelu_pytorch_tanh", ActivationType::gelu_tanh},
             {"gelu_fast", ActivationType::gelu_tanh},
             {"gelu_accurate", ActivationType::gelu_tanh},
             {"quick_gelu", ActivationType::quick_gelu},
             {"relu", ActivationType::relu}};
  for (const auto& a : all) CHECK(valid("llama", {{"hidden_act", text("\"", a.name, "\"")}}).activation_type == a.type);
  CHECK(valid("llama", {{"hidden_act", ""}}).activation_type == ActivationType::silu);
  refused(config("llama", {{"hidden_act", "\"mish\""}}), "hidden_act 'mish'", errc::unsupported);
}

// As configuration_qwen2.py and configuration_qwen3.py of transformers 4.56 have it: layer i slides if
// use_sliding_window is true, sliding_window is no null and i >= max_window_layers (28 where it is missing), unless
// layer_types says more.
TEST_CASE("zoo: a sliding window that no layer has", "[zoo]") {
  for (const std::string_view family : {"qwen2"sv, "qwen3"sv}) {
    const LlmConfig plain = valid(family);
    const auto same = [&](std::vector<std::pair<std::string, std::string>> changes) {
      changes.emplace_back("use_sliding_window", "true");
      return valid(family, changes) == plain;
    };
    CHECK(same({{"max_window_layers", "2"}, {"sliding_window", "16"}}));
    CHECK(same({{"max_window_layers", "3"}}));
    CHECK(same({}));
    CHECK(same({{"max_window_layers", "0"}, {"sliding_window", "null"}}));
    CHECK(same({{"max_window_layers", "0"}, {"layer_types", R"(["full_attention","full_attention"])"}}));
    refused(config(family, {{"use_sliding_window", "true"}, {"max_window_layers", "1"}}),
            "layers slide from max_window_layers 1 on", errc::unsupported);
    refused(config(family, {{"use_sliding_window", "true"}, {"num_hidden_layers", "29"}}), "max_window_layers 28",
            errc::unsupported);
    refused(config(family, {{"use_sliding_window", "true"}, {"max_window_layers", "\"2\""}}), "max_window_layers");
    refused(config(family, {{"use_sliding_window", "true"},
                            {"max_window_layers", "2"},
                            {"layer_types", R"(["full_attention","sliding_attention"])"}}),
            "'sliding_attention' in layer 1", errc::unsupported);
  }
  refused(config("llama", {{"use_sliding_window", "true"}}), "use_sliding_window", errc::unsupported);
}

TEST_CASE("zoo: rope in the old form and in the new one", "[zoo]") {
  const std::string scaling =
      R"("rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192)";
  const LlmConfig old = valid("llama", {{"rope_theta", "500000.0"}, {"rope_scaling", text("{", scaling, "}")}});
  CHECK(old.rope_scaling == RopeScaling::llama3);
  CHECK(old.rope_factor == 32);
  CHECK(old.rope_original_max_position == 8192);
  const LlmConfig fresh =
      valid("llama", {{"rope_theta", ""}, {"rope_parameters", text("{\"rope_theta\":500000.0,", scaling, "}")}});
  CHECK(fresh == old);
  CHECK(valid("llama", {{"rope_theta", "500000.0"},
                        {"rope_parameters", text("{\"rope_theta\":500000.0,", scaling, "}")}}) == old);
  CHECK(valid("llama", {{"rope_theta", "500000.0"},
                        {"rope_scaling", text("{", scaling, "}")},
                        {"rope_parameters", text("{\"rope_theta\":500000.0,", scaling, "}")}}) == old);
  CHECK(valid("llama", {{"rope_scaling", "null"}}).rope_scaling == RopeScaling::none);
  CHECK(valid("llama", {{"rope_scaling", R"({"type":"default"})"}}).rope_scaling == RopeScaling::none);
  for (const std::string_view one : {R"({"type":"linear","factor":1.0})"sv, R"({"rope_type":"linear","factor":1})"sv})
    CHECK(valid("llama", {{"rope_scaling", std::string(one)}}) == valid("llama"));
  CHECK(valid("llama", {{"rope_theta", ""}, {"rope_parameters", R"({"rope_type":"default","rope_theta":7000})"}})
            .rope_theta == 7000);

  for (const std::string_view type : {"linear"sv, "dynamic"sv, "yarn"sv, "longrope"sv, "su"sv, "x"sv}) {
    refused(config("llama", {{"rope_scaling", text(R"({"type":")", type, R"(","factor":2.0})")}}), text("'", type, "'"),
            errc::unsupported);
    refused(config("qwen2", {{"rope_parameters", text(R"({"rope_type":")", type, R"(","factor":2.0})")}}),
            text("'", type, "'"), errc::unsupported);
  }
  refused(config("llama", {{"rope_scaling", R"({"type":"linear"})"}}), "rope_scaling.factor");
  refused(config("llama", {{"rope_scaling", R"({"type":"linear","rope_type":"llama3"})"}}), "rope_type and type");
  refused(config("llama", {{"rope_parameters", R"({"rope_type":"default","rope_theta":7000})"}}),
          "rope_theta is 10000 outside and 7000 inside");
  refused(config("llama", {{"rope_scaling", text("{", scaling, "}")},
                           {"rope_parameters", R"({"rope_type":"default","rope_theta":10000.0})"}}),
          "contradict each other");
  refused(config("llama", {{"rope_scaling", R"({"rope_type":"llama3","factor":8.0})"}}),
          "rope_scaling.low_freq_factor");
  refused(
      config(
          "llama",
          {{"rope_scaling",
            R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":4.0,"high_freq_factor":4.0,"original_max_position_embeddings":8})"}}),
      "low_freq_factor 4 must be below high_freq_factor 4");
  refused(
      config(
          "llama",
          {{"rope_scaling",
            R"({"rope_type":"llama3","factor":0,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8})"}}),
      "rope_scaling.factor");
  refused(config("llama", {{"rope_scaling", "\"llama3\""}}), "rope_scaling must be a JSON object");
  refused(config("llama", {{"rope_scaling", R"({"rope_type":3})"}}), "rope_scaling.rope_type");
  refused(config("llama", {{"rope_parameters", R"({"full_attention":{"rope_type":"default"}})"}}), "full_attention",
          errc::unsupported);
  refused(config("llama", {{"partial_rotary_factor", "0.5"}}), "partial_rotary_factor", errc::unsupported);
}

TEST_CASE("config.json: numbers that are none, or out of range, name their field", "[zoo][hostile]") {
  for (const std::string_view model : {"llama"sv, "qwen2"sv, "qwen3"sv, "olmo"sv, "olmo2"sv})
    for (const std::string_view field :
         {"hidden_size"sv, "num_attention_heads"sv, "num_key_value_heads"sv, "num_hidden_layers"sv,
          "intermediate_size"sv, "vocab_size"sv, "max_position_embeddings"sv, "head_dim"sv})
      for (const std::string_view value :
           {"-1"sv, "0"sv, "-0"sv, "1e3"sv, "48.0"sv, "true"sv, "\"48\""sv, "[]"sv, "{}"sv, "9223372036854775807"sv,
            "18446744073709551615"sv, "18446744073709551616"sv, "1e300"sv})
        refused(config(model, {{std::string(field), std::string(value)}}), field);
  for (const std::string_view field :
       {"hidden_size"sv, "num_attention_heads"sv, "num_hidden_layers"sv, "intermediate_size"sv, "vocab_size"sv}) {
    refused(config("llama", {{std::string(field), ""}}), text("field '", field, "' is missing"));
    refused(config("llama", {{std::string(field), "null"}}), text("field '", field, "' is missing"));
  }
  refused(config("llama", {{"num_hidden_layers", "1000000000"}}), "num_hidden_layers");
  for (const std::string_view value :
       {"0"sv, "-1"sv, "1e400"sv, "NaN"sv, "Infinity"sv, "true"sv, "\"x\""sv, "1e-30"sv, "1e30"sv})
    CHECK(outcome(config("llama", {{"rope_theta", std::string(value)}})) != "ok");
  for (const std::string_view value : {"-1e-5"sv, "2"sv, "\"1e-5\""sv, "true"sv})
    refused(config("llama", {{"rms_norm_eps", std::string(value)}}), "rms_norm_eps");
  for (const std::string_view value : {"0"sv, "-8"sv, "1e10"sv, "\"8\""sv, "false"sv})
    refused(config("olmo", {{"clip_qkv", std::string(value)}}), "clip_qkv");
  for (const std::string_view field :
       {"attention_bias"sv, "mlp_bias"sv, "tie_word_embeddings"sv, "use_sliding_window"sv})
    for (const std::string_view value : {"1"sv, "0"sv, "\"false\""sv, "[]"sv})
      refused(config("llama", {{std::string(field), std::string(value)}}), field);
  refused(config("llama", {{"hidden_act", "3"}}), "hidden_act");
}

TEST_CASE("config.json: fields that contradict each other are refused with both names", "[zoo][hostile]") {
  refused(config("llama", {{"num_attention_heads", "7"}, {"num_key_value_heads", "7"}}),
          "hidden_size 48 is no multiple of num_attention_heads 7");
  refused(config("llama", {{"num_key_value_heads", "4"}}),
          "num_attention_heads 6 is no multiple of num_key_value_heads 4");
  refused(config("llama", {{"num_key_value_heads", "12"}}),
          "num_attention_heads 6 is no multiple of num_key_value_heads 12");
  refused(config("llama", {{"head_dim", "7"}}), "head_dim is 7, but must be even");
  refused(config("llama", {{"num_attention_heads", "16384"}, {"num_key_value_heads", "1"}, {"head_dim", "1000000"}}),
          "times head_dim");
}

TEST_CASE("config.json: models of other kinds", "[zoo][hostile]") {
  refused(config("gpt9"), "model_type 'gpt9' is not known; known are llama, qwen2, qwen3, olmo, olmo2",
          errc::unsupported);
  refused(config("\\u001b[31m"), "'\\x1b[31m'", errc::unsupported);
  refused(config("llama", {{"model_type", ""}}), "model_type");
  refused(config("llama", {{"model_type", "7"}}), "model_type");
  refused("[]", "JSON object");
  refused("{}", "model_type");
  refused("null", "JSON object");
  refused(config("qwen2", {{"use_sliding_window", "true"}, {"max_window_layers", "0"}}), "use_sliding_window",
          errc::unsupported);
  refused(config("qwen2", {{"layer_types", "[\"full_attention\",\"sliding_attention\"]"}}),
          "'sliding_attention' in layer 1", errc::unsupported);
  refused(config("qwen2", {{"layer_types", "[1]"}}), "layer_types");
  refused(config("qwen2", {{"layer_types", "\"full_attention\""}}), "layer_types");
}

TEST_CASE("config.json: a file of another shape than the type: every field is named", "[zoo][hostile]") {
  LlmConfig file = llama3_2_1b;
  CHECK(differences(llama3_2_1b, file).empty());
  file.max_sequence_length = 5;  // how long a session may be, not what the weights are
  file.n_kv_heads = 8;
  file.head_dim = 0;
  CHECK(differences(llama3_2_1b, file).empty());
  CHECK(same_model(llama3_2_1b, file));
  file.d_model = 1024;
  file.head_dim = 64;
  file.qkv_bias = true;
  file.activation_type = ActivationType::gelu_tanh;
  file.rope_factor = 8;
  CHECK(differences(llama3_2_1b, file) ==
        std::vector<std::string>{"d_model: the type has 2048, the checkpoint 1024",
                                 "activation_type: the type has silu, the checkpoint gelu_tanh",
                                 "qkv_bias: the type has false, the checkpoint true",
                                 "rope_factor: the type has 32, the checkpoint 8"});
  LlmConfig plain = llama3_8b;
  plain.rope_factor = 3;  // means nothing without a scaling
  plain.n_kv_heads = 8;
  CHECK(same_model(plain, llama3_8b));
  CHECK(differences(llama3_1_8b, plain) ==
        std::vector<std::string>{"rope_scaling: the type has llama3, the checkpoint none"});
  LlmConfig vocabulary = llama3_8b;
  vocabulary.vocab_size = 100;
  CHECK(differences(llama3_8b, vocabulary).size() == 1);
  vocabulary.embedding_size = 128;
  CHECK(differences(llama3_8b, vocabulary).size() == 2);
}

TEST_CASE("zoo: every field of LlmConfig takes part in comparison and text", "[zoo]") {
  std::size_t bytes = 0, fields = 0;
  for_each_field([&](std::string_view, auto member) {
    bytes += sizeof(LlmConfig{}.*member);
    ++fields;
  });
  CHECK(fields == 31);
  CHECK(sizeof(LlmConfig) - bytes < 32);  // only padding is left: a new field belongs into for_each_field
}

TEST_CASE("zoo: the line to add to a program", "[zoo]") {
  CHECK(config_text(olmo2_1b, "olmo2_1b") ==
        "inline constexpr molmo::LlmConfig olmo2_1b{.d_model = 2048, .n_heads = 16, .n_layers = 16, .mlp_hidden_size = "
        "8192, "
        ".vocab_size = 100352, .max_sequence_length = 4096, .norm_after = true, .layer_norm_eps = 1e-06, "
        ".norm_order = molmo::NormOrder::scale_then_cast, .attention_layer_norm = molmo::QkNorm::whole, .rope_theta = "
        "5e+05};");
  constexpr molmo::LlmConfig again{.d_model = 2048,
                                   .n_heads = 16,
                                   .n_layers = 16,
                                   .mlp_hidden_size = 8192,
                                   .vocab_size = 100352,
                                   .max_sequence_length = 4096,
                                   .norm_after = true,
                                   .layer_norm_eps = 1e-06,
                                   .norm_order = molmo::NormOrder::scale_then_cast,
                                   .attention_layer_norm = molmo::QkNorm::whole,
                                   .rope_theta = 5e+05};
  static_assert(again == olmo2_1b);  // the text, as C++ reads it
}

TEST_CASE("zoo: the published configs are consistent, distinct by name and found as nearest", "[zoo]") {
  std::set<std::string_view> names, ids;
  for (const zoo::Published& p : zoo::published) {
    CAPTURE(p.name);
    CHECK(names.insert(p.name).second);
    CHECK(ids.insert(p.hub_id).second);
    const LlmConfig& c = p.config;
    CHECK((c.d_model > 0 && c.n_heads > 0 && c.n_layers > 0 && c.mlp_hidden_size > 0 && c.vocab_size > 0));
    CHECK(c.n_heads % c.kv_heads() == 0);
    CHECK(c.head_size() % 2 == 0);
    CHECK(same_model(zoo::nearest_published(c).config, c));
    CHECK(config_distance(c, c) == 0);
  }
  LlmConfig odd = qwen2_5_1_5b;
  odd.n_layers = 29;
  CHECK(zoo::nearest_published(odd).name == "qwen2_5_1_5b");
  const LlmConfig compiled[] = {stories260k, llama3_2_1b, olmo2_1b};
  CHECK(nearest_config(llama3_2_3b, compiled) == 1);
  CHECK(nearest_config(olmo2_7b, compiled) == 2);
  CHECK(nearest_config(stories260k, compiled) == 0);
  static_assert(Checked<llama2_70b>::value && Checked<qwen2_5_72b>::value && Checked<qwen3_32b>::value &&
                Checked<olmo2_32b>::value && Checked<olmo_7b_0424>::value);
}

TEST_CASE("zoo: names of tensors", "[zoo]") {
  using zoo::checkpoint_name;
  CHECK(checkpoint_name(zoo::llama_names, "embedding.weight") == "model.embed_tokens.weight");
  CHECK(checkpoint_name(zoo::llama_names, "blocks.0.attention.q.weight") == "model.layers.0.self_attn.q_proj.weight");
  CHECK(checkpoint_name(zoo::llama_names, "blocks.31.attention.k.bias") == "model.layers.31.self_attn.k_proj.bias");
  CHECK(checkpoint_name(zoo::llama_names, "blocks.7.feed_forward_norm.weight") ==
        "model.layers.7.post_attention_layernorm.weight");
  CHECK(checkpoint_name(zoo::llama_names, "blocks.7.feed_forward.down.weight") ==
        "model.layers.7.mlp.down_proj.weight");
  CHECK(checkpoint_name(zoo::llama_names, "final_norm.weight") == "model.norm.weight");
  CHECK(checkpoint_name(zoo::llama_names, "head.weight") == "lm_head.weight");
  CHECK(checkpoint_name(zoo::olmo2_names, "blocks.7.attention_norm.weight") ==
        "model.layers.7.post_attention_layernorm.weight");
  CHECK(checkpoint_name(zoo::olmo2_names, "blocks.7.feed_forward_norm.weight") ==
        "model.layers.7.post_feedforward_layernorm.weight");
  CHECK(checkpoint_name(zoo::molmo_names, "embedding.weight") == "model.transformer.wte.embedding");
  CHECK(checkpoint_name(zoo::molmo_names, "new_embedding.weight") == "model.transformer.wte.new_embedding");
  CHECK(checkpoint_name(zoo::molmo_names, "blocks.3.attention.att_proj.bias") ==
        "model.transformer.blocks.3.att_proj.bias");
  CHECK(checkpoint_name(zoo::molmo_names, "blocks.3.feed_forward.down.weight") ==
        "model.transformer.blocks.3.ff_out.weight");
  CHECK(checkpoint_name(zoo::molmo_names, "head.weight") == "model.transformer.ff_out.weight");
  for (const std::string_view unknown :
       {""sv, "x"sv, "weight"sv, "blocks.weight"sv, "blocks..attention.q.weight"sv, "blocks.x.attention.q.weight"sv,
        "blocks.1.attention.z.weight"sv, "blocks.1.attention.q.weight.x"sv, "1"sv, "..."sv})
    CHECK(checkpoint_name(zoo::llama_names, unknown).empty());
}

TEST_CASE("zoo: golden config.json files, where they are present", "[zoo]") {
  namespace fs = std::filesystem;
  const fs::path golden = fs::path(MOLMO_TEST_DATA_DIR) / "golden";
  std::size_t read_files = 0;
  std::error_code e;
  for (const auto& entry : fs::directory_iterator(golden, e)) {
    const fs::path file = entry.path() / "config.json";
    if (!fs::exists(file)) continue;
    CAPTURE(file.string());
    const result<json::Value> v = read_json(file.string());
    REQUIRE(v);
    const result<LlmConfig> c = zoo::read_config(*v);
    if (!c) FAIL(file.string() << ": " << c.error().message);
    CHECK(c->d_model == *v->integer("hidden_size", 1, 1 << 20));
    ++read_files;
  }
  if (read_files == 0) WARN("no golden files here; none was read");
}

TEST_CASE("zoo: load_config reads a folder; its errors begin with the file's name", "[zoo]") {
  const std::string folder = text(MOLMO_SHARED_DIR, "/models/stories260K");
  if (!std::filesystem::exists(folder)) {
    WARN("no stories260K here; its config is not read");
  } else {
    const result<zoo::ModelConfig> c = zoo::load_config(folder);
    REQUIRE(c);
    CHECK(c->family == &zoo::llama::family);
    CHECK(differences(stories260k, c->config).empty());
  }
  const molmo_test::TemporaryFolder empty;
  const result<zoo::ModelConfig> missing = zoo::load_config(empty.path().string());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == errc::not_found);
  for (const std::string& bad : {config("gpt9"), config("llama", {{"vocab_size", "0"}}), std::string("{")}) {
    empty.write("config.json", bad);
    const result<zoo::ModelConfig> c = zoo::load_config(empty.path().string());
    REQUIRE_FALSE(c);
    CHECK(c.error().message.starts_with(text("'", empty / "config.json", "': ")));
  }
}
