// SPDX-License-Identifier: Apache-2.0
// molmo inspect: what a checkpoint is, what it will take, and whether this program can run it. The weights of a
// compiled-in model are checked against its type, so that a damaged or incomplete folder is found here.
#include <molmo/io/checkpoint.hpp>
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <molmo/models/zoo/config_text.hpp>
#include <molmo/run/generate.hpp>
#include <molmo/run/stored_matrix.hpp>

#include <fmt/format.h>

#include <cctype>
#include <map>

#include "json_text.hpp"
#include "loading.hpp"
#include "machine.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

struct WeightFacts {
  bool present = false;
  std::uint64_t bytes = 0;
  std::size_t files = 0, tensors = 0;
  std::map<std::string, std::size_t> formats{};  // and how many matrices and vectors have each
};

result<WeightFacts> weight_facts(const std::string& directory, const FileArgs& args) {
  const result<Checkpoint> checkpoint =
      Checkpoint::open(directory, {.copy = args.copy, .follow_symlinks = args.follow_symlinks});
  if (!checkpoint && checkpoint.error().code == errc::not_found) return WeightFacts{};
  if (!checkpoint) return failure_of_work(checkpoint.error());
  WeightFacts w{.present = true, .bytes = checkpoint->bytes(), .files = checkpoint->files()};
  for (const TensorInfo* t : checkpoint->tensors()) {
    const std::string_view scale = "_scale";
    if (t->name.ends_with(scale) && checkpoint->find(t->name.substr(0, t->name.size() - scale.size())))
      continue;  // belongs to a matrix of blocks
    const bool blocks = checkpoint->find(scale_name(t->name)) != nullptr;
    ++w.tensors;
    std::string name(blocks ? format_name(stored_format(t->dtype).id) : name_of(t->dtype));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    ++w.formats[std::move(name)];
  }
  return w;
}

struct TokenizerFacts {
  std::string problem;  // or
  index_t tokens = 0;
  std::vector<std::pair<std::int64_t, std::string>> begins, ends;
};

TokenizerFacts tokenizer_facts(const std::string& directory, const GenerationConfig& wishes) {
  const result<Tokenizer> t = Tokenizer::from_file(directory + "/tokenizer.json");
  TokenizerFacts f;
  if (!t) {
    f.problem = t.error().message;
    return f;
  }
  f.tokens = t->size();
  if (const auto begin = t->encode(""); begin)
    for (const std::int32_t id : *begin) f.begins.emplace_back(id, t->token(id));
  for (const std::int64_t id : wishes.eos_token_ids) f.ends.emplace_back(id, t->token(static_cast<std::int32_t>(id)));
  return f;
}

std::string token_list(const std::vector<std::pair<std::int64_t, std::string>>& tokens) {
  std::string out;
  for (const auto& [id, name] : tokens) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", id, in_quotes(name));
  return out.empty() ? "no special token" : out;
}

std::string format_list(const WeightFacts& w) {
  std::string out;
  for (const auto& [name, n] : w.formats)
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", w.formats.size() > 1 ? fmt::format("{} of ", n) : "", name);
  return out;
}

std::string sampling_words(const GenerationConfig& w) {
  const SamplingOptions o = GenerateOptions::of(w).sampling();
  const std::string penalty =
      o.repetition_penalty == 1 ? std::string() : fmt::format(", repetition penalty {}", o.repetition_penalty);
  if (o.temperature == 0) return "greedy, unless the command line says otherwise" + penalty;
  std::string out = fmt::format("temperature {}", o.temperature) + penalty;
  if (o.top_k > 0) out += fmt::format(", top-k {}", o.top_k);
  if (o.top_p < 1) out += fmt::format(", top-p {}", o.top_p);
  if (o.min_p > 0) out += fmt::format(", min-p {}", o.min_p);
  return out + " (generation_config.json)";
}

struct Facts {
  std::string directory, family;
  LlmConfig config;
  std::string name;          // among compiled_in(), or
  std::string not_compiled;  // what to do
  index_t context = 0;
  MemoryPlan plan;
  std::uint64_t available = 0;
  WeightFacts weights;
  TokenizerFacts tokenizer;
  GenerationConfig wishes;

  [[nodiscard]] double total() const { return static_cast<double>(weights.bytes) + static_cast<double>(plan.total()); }
  [[nodiscard]] bool fits() const { return total() <= static_cast<double>(available); }
};

std::string text_of(const Facts& f) {
  std::string out;
  const auto line = [&](std::string_view name, std::string_view value) {
    out += fmt::format("{} {}\n", bold(fmt::format("{:<12}", name), stdout), value);
  };
  const auto part = [&](std::string_view name, double bytes, std::string_view what) {
    out += fmt::format("  {:<22} {:>9}{}{}\n", name, bytes_text(bytes), what.empty() ? "" : "   ", what);
  };
  const LlmConfig& c = f.config;
  line("folder", shown(f.directory));
  line("family", f.family);
  line("runs here", f.name.empty() ? "no: its shape is not compiled in (see the end)"
                                   : fmt::format("yes, compiled in as {}", f.name));
  line("parameters",
       fmt::format("{} ({})", count_text(static_cast<double>(parameters_of(c))), grouped(parameters_of(c))));
  if (f.weights.present)
    line("weights",
         fmt::format("{} in {} file{}: {} matrices and vectors, {}{}", bytes_text(static_cast<double>(f.weights.bytes)),
                     f.weights.files, f.weights.files == 1 ? "" : "s", f.weights.tensors, format_list(f.weights),
                     f.name.empty() ? "" : "; all of them fit"));
  else
    line("weights", "none in this folder");
  line("per token", fmt::format("{} of KV cache; {}flop without attention to the context",
                                bytes_text(static_cast<double>(kv_bytes_of(c))), [&] {
                                  const std::string n = count_text(prefill_flops_of(c, 1));
                                  return n.find(' ') == n.npos ? n + " " : n;
                                }()));
  if (f.tokenizer.problem.empty()) {
    line("tokenizer",
         fmt::format("{} tokens; a prompt begins with {}; a text ends with {}", grouped(f.tokenizer.tokens),
                     token_list(f.tokenizer.begins), token_list(f.tokenizer.ends)));
  } else {
    line("tokenizer", f.tokenizer.problem);
  }
  line("sampling", sampling_words(f.wishes));
  line("memory", fmt::format("for a context of {} positions (this model's longest: {})", grouped(f.context),
                             grouped(c.max_sequence_length)));
  if (f.weights.present) part("weights, mapped", static_cast<double>(f.weights.bytes), "");
  part("KV cache", static_cast<double>(f.plan.kv_cache), "");
  part("workspace and logits", static_cast<double>(f.plan.workspace + f.plan.logits), "");
  part("together", f.total(),
       fmt::format("{} available: {}", bytes_text(static_cast<double>(f.available)),
                   f.fits() ? "fits" : "DOES NOT FIT"));
  line("config", "");
  LlmConfig shown = normalised(c);
  shown.max_sequence_length = c.max_sequence_length;
  const LlmConfig fresh{};
  for_each_field([&](std::string_view field, auto member) {
    if (shown.*member != fresh.*member)
      out += fmt::format("  {:<26} {}\n", field, molmo::detail::field_text(shown.*member));
  });
  if (!f.not_compiled.empty()) out += fmt::format("\n{}\n", f.not_compiled);
  return out;
}

std::string json_of(const Facts& f) {
  JsonText j;
  j.field("folder", f.directory);
  j.field("family", f.family);
  j.field("compiled_in", !f.name.empty());
  if (!f.name.empty())
    j.field("name", f.name);
  else
    j.field("advice", f.not_compiled);
  j.field("parameters", parameters_of(f.config));
  j.field("kv_bytes_per_token", kv_bytes_of(f.config));
  j.field("flops_per_token", prefill_flops_of(f.config, 1));
  j.begin("config");
  for_each_field([&](std::string_view name, auto member) {
    const auto value = f.config.*member;
    if constexpr (std::is_enum_v<std::remove_const_t<decltype(value)>>)
      j.field(name, name_of(value));
    else
      j.field(name, value);
  });
  j.end();
  if (f.weights.present) {
    j.begin("weights");
    j.field("bytes", f.weights.bytes);
    j.field("files", f.weights.files);
    j.field("tensors", f.weights.tensors);
    j.begin("formats");
    for (const auto& [name, n] : f.weights.formats) j.field(name, n);
    j.end();
    j.end();
  } else {
    j.null("weights");
  }
  j.begin("memory");
  j.field("context", f.context);
  j.field("weights", f.weights.bytes);
  j.field("kv_cache", f.plan.kv_cache);
  j.field("workspace", f.plan.workspace);
  j.field("logits", f.plan.logits);
  j.field("available", f.available);
  j.field("fits", f.fits());
  j.end();
  j.begin("tokenizer");
  if (f.tokenizer.problem.empty()) {
    j.field("tokens", f.tokenizer.tokens);
    j.begin("begins_with", '[');
    for (const auto& [id, name] : f.tokenizer.begins) j.field("", id);
    j.end();
    j.begin("ends_with", '[');
    for (const auto& [id, name] : f.tokenizer.ends) j.field("", id);
    j.end();
  } else {
    j.field("problem", f.tokenizer.problem);
  }
  return j.str();
}

}  // namespace

result<int> inspect(const InspectArgs& args) {
  if (status s = check_folder(args.directory); !s) return fail(s.error());
  Facts f;
  f.directory = args.directory;
  const result<zoo::ModelConfig> config = zoo::load_config(args.directory);
  if (!config) return failure_of_work(config.error());
  f.family = config->family->model_type;
  f.config = config->config;
  result<WeightFacts> weights = weight_facts(args.directory, args.files);
  if (!weights) return fail(weights.error());
  f.weights = std::move(*weights);
  if (const result<std::size_t> index = find_compiled_in(f.config)) {
    f.name = compiled_in()[*index].name;
    if (f.weights.present)
      if (const auto loaded = load_weights(*index, args.directory, load_options(args.files)); !loaded)
        return failure_of_work(loaded.error());
  } else {
    f.not_compiled = index.error().message;
  }
  const result<GenerationConfig> wishes = read_generation_config(args.directory);
  if (!wishes) return failure_of_work(wishes.error());
  f.wishes = *wishes;
  f.tokenizer = tokenizer_facts(args.directory, f.wishes);
  const SessionOptions options = molmo::detail::resolved({.context = args.context}, f.config.max_sequence_length);
  f.context = options.context;
  f.plan = memory_plan_of(f.config, options);
  f.available = available_memory();
  Output out;
  out.write(args.json ? json_of(f) : text_of(f));
  return out.finish();
}

}  // namespace molmo_tool
