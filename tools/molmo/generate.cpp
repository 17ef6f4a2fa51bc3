// SPDX-License-Identifier: Apache-2.0
// molmo generate: text from a prompt, streamed to standard output.
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <molmo/run/generate.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "interrupt.hpp"
#include "json_text.hpp"
#include "loading.hpp"
#include "machine.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t longest_prompt = std::size_t{64} << 20;

result<std::string> read_prompt(const GenerateArgs& args) {
  if (args.prompt && !args.prompt_file.empty()) return usage_error("give --prompt or --prompt-file, not both");
  if (args.prompt && *args.prompt != "-") return *args.prompt;
  if (!args.prompt && args.prompt_file.empty())
    return usage_error(
        "there is no prompt; give --prompt TEXT, --prompt-file FILE, or --prompt \"\" to begin with nothing");
  const bool from_stdin = args.prompt_file.empty() || args.prompt_file == "-";
  const auto close = [](std::FILE* f) {
    if (f != stdin) std::fclose(f);
  };
  const std::unique_ptr<std::FILE, decltype(close)> file(
      from_stdin ? stdin : std::fopen(args.prompt_file.c_str(), "rb"), close);
  const std::string name = from_stdin ? "standard input" : in_quotes(args.prompt_file, 400);
  if (file == nullptr) return fail(errc::not_found, text("cannot open the prompt ", name, ": ", std::strerror(errno)));
  std::string prompt;
  char buffer[65536];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, file.get())) {
    prompt.append(buffer, got);
    if (prompt.size() > longest_prompt)
      return fail(errc::format, text("the prompt in ", name, " is longer than 64 MiB"));
  }
  if (std::ferror(file.get()) != 0)
    return fail(errc::io, text("cannot read the prompt from ", name, ": ", std::strerror(errno)));
  return prompt;
}

// The command line before generation_config.json, and that one only where it asks for sampling.
SamplingOptions sampling_of(const GenerateArgs& args, const GenerationConfig& file) {
  SamplingOptions o = GenerateOptions::of(file).sampling();
  o.seed = args.seed;
  if (!file.do_sample.value_or(false) && (args.top_k || args.top_p)) o.temperature = 1;
  if (args.temperature) o.temperature = *args.temperature;
  if (args.top_k) o.top_k = *args.top_k;
  if (args.top_p) o.top_p = *args.top_p;
  return o;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += text(out.empty() ? "" : ", ", name);
  return out;
}

void note(std::string_view message) { fmt::print(stderr, "{}: {}\n", dim("molmo: note", stderr), message); }

const char* words_for(StopReason reason) {
  switch (reason) {
    case StopReason::end_token:
      return "end_token";
    case StopReason::context_full:
      return "context_full";
    case StopReason::sink:
      return "output_closed";
    case StopReason::stop_token:
      return "interrupted";
    case StopReason::max_new:
      break;
  }
  return "max_new";
}

struct Figures {
  Generated done;
  double first_token = 0;
  double step_bytes = 0;  // that a token reads
  Limits limits;

  [[nodiscard]] double decode_share() const {
    return limits.read > 0 ? step_bytes * done.decode_rate() / limits.read : 0;
  }
  [[nodiscard]] double prefill_share(const LlmConfig& c) const {
    const double flops = prefill_flops_of(c, done.prompt_tokens);
    return limits.flops > 0 && done.prefill_seconds > 0 ? flops / done.prefill_seconds / limits.flops : 0;
  }
};

void print_stats(const Opened& model, const Figures& f) {
  const Generated& g = f.done;
  std::string out = fmt::format("model    {} parameters, {} on {} thread{}; loaded in {}\n",
                                count_text(static_cast<double>(parameters_of(model.file))), model.ready.backend,
                                model.ready.threads, model.ready.threads == 1 ? "" : "s", seconds_text(model.seconds));
  out += fmt::format("prompt   {} token{} in {}: {} tokens/s", grouped(g.prompt_tokens),
                     g.prompt_tokens == 1 ? "" : "s", seconds_text(g.prefill_seconds), rate_text(g.prefill_rate()));
  if (f.limits.flops > 0)
    out += fmt::format(", {:.1f} % of the limit ({} GFLOP/s, measured)", 100 * f.prefill_share(model.file),
                       rate_text(f.limits.flops / 1e9));
  out += fmt::format("\ntext     {} token{}", grouped(g.new_tokens), g.new_tokens == 1 ? "" : "s");
  if (g.new_tokens > 0) out += fmt::format(", the first after {}", seconds_text(f.first_token));
  if (g.new_tokens > 1 && g.decode_seconds > 0) {
    out += fmt::format(", then {} tokens/s", rate_text(g.decode_rate()));
    if (f.limits.read > 0)
      out += fmt::format(
          ", {:.1f} % of the limit\nlimit    {} tokens/s: a token reads {} of weights and KV cache, and so much can be "
          "read at {}/s by {} (measured)",
          100 * f.decode_share(), rate_text(f.limits.read / f.step_bytes), bytes_text(f.step_bytes),
          bytes_text(f.limits.read),
          model.ready.threads == 1 ? "one thread" : fmt::format("{} threads, or by one", model.ready.threads));
  }
  fmt::print(stderr, "\n{}\n", dim(out, stderr));
}

std::string json_of(const GenerateArgs& args, const Opened& model, const Figures& f, const SamplingOptions& sampling,
                    std::string_view prompt, std::string_view generated) {
  const Generated& g = f.done;
  JsonText j;
  j.field("prompt", prompt);
  j.field("text", generated);
  j.field("finish_reason", words_for(g.reason));
  j.field("prompt_tokens", g.prompt_tokens);
  j.field("new_tokens", g.new_tokens);
  j.begin("options");
  j.field("model", args.directory);
  j.field("backend", model.ready.backend);
  j.field("threads", model.ready.threads);
  j.field("temperature", sampling.temperature);
  j.field("top_k", sampling.top_k);
  j.field("top_p", sampling.top_p);
  j.field("seed", sampling.seed);
  j.field("min_p", sampling.min_p);
  j.field("repetition_penalty", sampling.repetition_penalty);
  j.end();
  j.begin("stats");
  const auto number = [&](std::string_view name, double value) {
    if (value > 0)
      j.field(name, value);
    else
      j.null(name);  // not measured
  };
  number("load_seconds", model.seconds);
  number("first_token_seconds", f.first_token);
  number("prefill_tokens_per_second", g.prefill_rate());
  number("decode_tokens_per_second", g.decode_rate());
  number("weight_bytes_per_token", model.weights_per_token);
  number("bytes_per_token", f.step_bytes);
  number("limit_read_bytes_per_second", f.limits.read);
  number("limit_flops_per_second", f.limits.flops);
  number("prefill_share_of_limit", f.prefill_share(model.file));
  number("decode_share_of_limit", f.decode_share());
  return j.str();
}

// As many positions as the text can need, but not more than the model was trained for.
result<index_t> context_for(const GenerateArgs& args, const LlmConfig& config, index_t prompt) {
  const index_t longest = args.context > 0 ? args.context : config.max_sequence_length;
  if (prompt > longest)
    return fail(errc::context_full, text("the prompt has ", prompt, " tokens, more than the ", longest,
                                         " positions of ", args.context > 0 ? "--context" : "this model's context"));
  if (args.context > config.max_sequence_length)
    note(fmt::format("this model was made for texts of at most {} tokens", grouped(config.max_sequence_length)));
  if (args.context > 0) return args.context;
  return std::min(longest, prompt + std::min(args.max_new, longest));
}

}  // namespace

result<int> generate(const GenerateArgs& args) {
  const SamplingOptions asked{args.temperature.value_or(0), args.top_k.value_or(0), args.top_p.value_or(1), args.seed};
  if (status s = molmo::check(asked); !s) return fail(s.error());
  if (status s = check_folder(args.directory); !s) return fail(s.error());  // before it waits for a prompt
  const result<std::string> prompt = read_prompt(args);
  if (!prompt) return fail(prompt.error());

  const Interrupts interrupts;
  const result<Opened> opened = open_model(args.directory, args.run, interrupts.token());
  if (!opened) return ended(interrupts, fail(opened.error()));
  const result<Tokenizer> tokenizer = Tokenizer::from_file(args.directory + "/tokenizer.json");
  if (!tokenizer) return failure_of_work(tokenizer.error());
  const result<GenerationConfig> wishes = read_generation_config(args.directory);
  if (!wishes) return failure_of_work(wishes.error());
  const SamplingOptions sampling = sampling_of(args, *wishes);
  if (const std::string names = list_of(wishes->ignored); !names.empty())
    note(text("the model's files ask for ", names, ", which molmo does not do: the text may differ from Hugging Face's"));

  result<std::vector<std::int32_t>> ids =
      tokenizer->encode(*prompt, {.add_special = !args.no_bos, .parse_special = args.special});
  if (!ids) return failure_of_work(ids.error());
  if (ids->empty() && !args.no_bos && wishes->bos_token_id)  // as Hugging Face's generate() without input
    ids->push_back(static_cast<std::int32_t>(*wishes->bos_token_id));
  if (ids->empty())
    return fail(errc::empty_prompt,
                args.no_bos ? "the prompt is empty, and --no-bos leaves nothing to begin with"
                            : "the prompt is empty, and this model has no token to begin with; give a --prompt");
  const result<index_t> context = context_for(args, opened->file, static_cast<index_t>(ids->size()));
  if (!context) return fail(context.error());
  const result<std::unique_ptr<AnySession>> session = start_session(*opened->ready.model, {.context = *context});
  if (!session) return fail(session.error());

  Output out;
  std::string collected;
  const auto pass_on = [&](std::string_view piece) {
    if (!args.json) return piece.empty() || out.write(piece);
    collected += piece;
    return true;
  };
  ProgressBar bar("reading the prompt", interrupts.token());
  GenerateOptions options{.max_new = args.max_new,
                          .temperature = sampling.temperature,
                          .top_k = sampling.top_k,
                          .top_p = sampling.top_p,
                          .seed = sampling.seed,
                          .min_p = sampling.min_p,
                          .repetition_penalty = sampling.repetition_penalty,
                          .end_tokens = wishes->eos_token_ids,
                          .stop = interrupts.token(),
                          .progress = bar};
  // The decoder sees the prompt first, so that the text goes on where the prompt ended.
  StreamDecoder decoder(*tokenizer);
  for (const std::int32_t id : *ids) static_cast<void>(decoder.push(id));
  if (args.echo && !args.json) out.write(bold(*prompt, stdout));
  Figures figures;
  const Clock::time_point start = Clock::now();
  const result<Generated> done = generate_ids(**session, *ids, options, [&](std::int32_t id) {
    if (figures.first_token == 0) {
      figures.first_token = std::chrono::duration<double>(Clock::now() - start).count();
      bar.clear();
    }
    return pass_on(decoder.push(id));
  });
  bar.clear();
  if (!done) return ended(interrupts, failure_of_work(done.error()));
  pass_on(decoder.finish());

  figures.done = *done;
  figures.step_bytes = decode_bytes(*opened, done->prompt_tokens, std::max<index_t>(done->new_tokens - 1, 0));
  if ((args.stats || args.json) && done->reason != StopReason::stop_token)
    figures.limits = measure_limits(opened->ready.threads, figures.step_bytes, interrupts.token());
  if (args.json)
    out.write(json_of(args, *opened, figures, sampling, *prompt, collected));
  else
    out.write("\n");
  const int code = interrupts.requested() ? interrupts.exit_code() : exit_ok;
  if (!out.ok()) return out.finish();
  if (done->reason == StopReason::context_full)
    note(fmt::format("stopped because the context of {} positions is full", grouped(*context)));
  if (args.stats) print_stats(*opened, figures);
  return out.finish(code);
}

}  // namespace molmo_tool
