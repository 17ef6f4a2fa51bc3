// SPDX-License-Identifier: Apache-2.0
// The command line tool: options, help and exit codes. The commands are in molmo/, one file each.
//
//   0    done
//   1    the work failed: one sentence on standard error says why
//   2    wrong usage
//   130  stopped by Ctrl-C (143: by SIGTERM);  141: the reader of standard output went away
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <limits>
#include <span>
#include <string>

#include "molmo/command_line.hpp"
#include "molmo/commands.hpp"
#include "molmo/terminal.hpp"

namespace molmo_tool {

std::string_view cli_version() { return CLI11_VERSION; }

namespace {

void add_file_options(CLI::App& app, FileArgs& args) {
  app.add_flag("--copy", args.copy,
               "read the files into memory instead of mapping them:\nfor files that others may shorten");
  app.add_flag("--follow-symlinks", args.follow_symlinks, "allow links that lead out of the model folder");
}

void add_backend_options(CLI::App& app, BackendArgs& args) {
  add_file_options(app, args.files);
  const std::string choices = backend_choices();
  args.backend = choices.substr(0, choices.find('|'));
  app.add_option("--backend", args.backend, fmt::format("{}: what calculates (default: {})", choices, args.backend))
      ->type_name("NAME")
      ->check(CLI::Validator(
          [choices](std::string& name) {
            if (has_backend(name)) return std::string();
            const bool known = name == "xsimd" || name == "onednn" || name == "eigen";
            return fmt::format("'{}' {}; there are {}", name,
                               known ? "is not compiled into this program" : "is no backend", choices);
          },
          ""));
  add_number(app, "-t,--threads", args.threads, 1, most_threads,
             "threads (default: $MOLMO_NUM_THREADS, else one per core,\nbut no more than one per 4 MB of weights)")
      ->type_name("N");
}

void add_model_folder(CLI::App& app, std::string& directory) {
  app.add_option("DIR", directory, "model folder: config.json, tokenizer.json, *.safetensors")
      ->required()
      ->type_name("");
}

void add_json_option(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "print one JSON object instead of text");
}

void add_context(CLI::App& app, index_t& context, const char* help) {
  add_number(app, "-c,--context", context, index_t{1}, longest_context, help)->type_name("N");
}

CLI::App* add_generate(CLI::App& app, GenerateArgs& args) {
  CLI::App* sub = app.add_subcommand("generate", "continue a text");
  add_model_folder(*sub, args.directory);
  sub->add_option("-p,--prompt", args.prompt,
                  "the text to continue; \"\": begin with nothing, \"-\": read standard input")
      ->type_name("TEXT");
  sub->add_option("-f,--prompt-file", args.prompt_file, "read the text to continue from a file")->type_name("FILE");
  add_number(*sub, "-n,--max-new", args.max_new, index_t{0}, longest_context,
             "tokens to generate at most (default: 256)")
      ->type_name("N");
  add_real(*sub, "-T,--temperature", args.temperature,
           "0: greedy, the likeliest token; 1: as the model says; above: wilder")
      ->type_name("T");
  add_number(*sub, "-k,--top-k", args.top_k, index_t{0}, longest_context,
             "draw among the K likeliest tokens only; 0: off")
      ->type_name("K");
  add_real(*sub, "-P,--top-p", args.top_p, "draw among the likeliest that have P of the probability; 1: off")
      ->type_name("P");
  add_number(*sub, "-s,--seed", args.seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(),
             "another seed, another text; the same seed, the same text (default: 0)")
      ->type_name("S");
  add_context(*sub, args.context, "positions of the KV cache (default: what the text needs, at most the model's)");
  add_backend_options(*sub, args.run);
  sub->add_flag("--stats", args.stats,
                "afterwards, speeds and their share of this machine's limits, as of molmo bench, on standard error");
  add_json_option(*sub, args.json);
  sub->add_flag("--echo", args.echo, "print the prompt before its continuation");
  sub->add_flag("--special", args.special, "let special tokens spelled out in the prompt (<|...|>) be those tokens");
  sub->add_flag("--no-bos", args.no_bos, "put no beginning-of-text token before the prompt");
  sub->footer(R"(The text goes to standard output, piece by piece, and ends with a newline; Ctrl-C ends it early.
Sampling: what the command line leaves out comes from the model's generation_config.json if that says "do_sample";
else it is greedy, or, where --top-k or --top-p is given, at temperature 1.

Examples:
  molmo generate models/shakespeare --prompt "ROMEO:" --echo --stats
  molmo generate OLMo-2-0425-1B -p "The capital of France is" -n 20 --temperature 0
  molmo generate OLMo-2-0425-1B --prompt-file letter.txt --temperature 0.8 --top-p 0.95 --seed 7
  fortune | molmo generate models/shakespeare --prompt - --json)");
  return sub;
}

CLI::App* add_inspect(CLI::App& app, InspectArgs& args) {
  CLI::App* sub = app.add_subcommand("inspect", "what a model folder holds, what it needs, whether it runs here");
  add_model_folder(*sub, args.directory);
  add_context(*sub, args.context, "plan the memory for so many positions (default: the model's, at most 4096)");
  add_file_options(*sub, args.files);
  add_json_option(*sub, args.json);
  sub->footer(
      R"(Checks the weights against the model's type, too: a damaged or incomplete folder ends with exit code 1 and the reasons.
For a shape that is not compiled in, prints the nearest one that is and the line to add.

Examples:
  molmo inspect models/shakespeare
  molmo inspect OLMo-2-0425-1B --context 4096 --json)");
  return sub;
}

CLI::App* add_bench(CLI::App& app, BenchArgs& args) {
  CLI::App* sub = app.add_subcommand("bench", "a model's speed, op by op, beside what this machine could do");
  sub->add_option("DIR", args.directory, "model folder; without it, --config")->type_name("");
  sub->add_option("--config", args.config, "a compiled-in model with random weights (default: shakespeare)")
      ->type_name("NAME");
  sub->add_option("--format", args.format, "f32|bf16|f16|q8|q4: of the random weights (default: bf16)")->type_name("F");
  constexpr index_t most = index_t{1} << 24;
  add_number(*sub, "--prefill", args.prefill, index_t{1}, most, "tokens of the prompt (default: 128)")->type_name("N");
  add_number(*sub, "--decode", args.decode, index_t{0}, most, "tokens generated after it (default: 64)")
      ->type_name("N");
  add_number(*sub, "-r,--repeat", args.repeat, 1, 1000000,
             "repetitions, of which the median counts (default: 5; no new one after 30 s)")
      ->type_name("N");
  sub->add_flag_callback(
      "--no-ops", [&args] { args.ops = false; }, "do not time the ops one by one");
  add_backend_options(*sub, args.run);
  add_json_option(*sub, args.json);
  sub->add_flag("--csv", args.csv, "print lines of table,row,column,value");
  sub->add_flag("--markdown", args.markdown, "print markdown tables");
  sub->footer("Configs: " + model_names() + R"(

Prints the machine's limits; each op of a decode step and of the prefill with its share of the limit; tokens per second;
time to the first token, load time, memory; the latency of decode steps with its quantiles and a histogram.
The limit of decode is the time to read its weights and KV cache once, at the bandwidth measured for a set of that size;
that of prefill is the time of its multiply-adds at the measured f32 peak. Same run, same threads, or one of them where
that is faster. `molmo generate --stats` prints shares of the same limits.

Examples:
  molmo bench
  molmo bench --config qwen2_5_0_5b --threads 1
  molmo bench OLMo-2-0425-1B --prefill 512 --decode 128 --json
  molmo bench --config shakespeare --format q8 --markdown)");
  return sub;
}

CLI::App* add_quantize(CLI::App& app, QuantizeArgs& args) {
  CLI::App* sub = app.add_subcommand("quantize", "a model folder again, its weights in fewer bits");
  sub->add_option("DIR", args.directory, "model folder: config.json, *.safetensors")->required()->type_name("");
  sub->add_option("--format", args.format, "q8|q4: blocks of 8.5 or 4.5 bits a weight;\nf32|bf16|f16: plain numbers")
      ->required()
      ->type_name("F");
  sub->add_option("-o,--out", args.out, "the new folder; nothing is overwritten")->required()->type_name("DIR");
  sub->add_option("--keep", args.keep,
                  "matrices that stay as they are: embeddings, head,\na part of their tensors' names, or none "
                  "(default:\nembeddings,head for q8 and q4, none for the others)")
      ->type_name("WORDS");
  add_file_options(*sub, args.files);
  add_json_option(*sub, args.json);
  sub->footer(
      R"(Norms and biases always stay as they are. Memory stays flat, however large the model is; Ctrl-C leaves nothing behind.

Examples:
  molmo quantize OLMo-2-0425-1B --format q4 --out OLMo-2-0425-1B-q4
  molmo quantize models/shakespeare --format q8 --out shakespeare-q8 --keep none)");
  return sub;
}

CLI::App* add_perplexity(CLI::App& app, PerplexityArgs& args) {
  CLI::App* sub = app.add_subcommand("perplexity", "how surprising a text is to a model");
  add_model_folder(*sub, args.directory);
  sub->add_option("-f,--text", args.text_file, "the text, UTF-8; \"-\": standard input")->required()->type_name("FILE");
  add_context(*sub, args.context, "positions of a window (default: the model's, at most 4096)");
  add_number(*sub, "--stride", args.stride, index_t{1}, longest_context,
             "from one window to the next (default: as --context)")
      ->type_name("N");
  add_number(*sub, "--bos", args.bos, std::int64_t{0}, std::int64_t{std::numeric_limits<std::int32_t>::max()},
             "the token before every window (default: the one that\nthe tokenizer puts before a text, if any)")
      ->type_name("ID");
  sub->add_flag("--no-bos", args.no_bos, "none before any window");
  add_backend_options(*sub, args.run);
  add_json_option(*sub, args.json);
  sub->footer(
      R"(exp of the mean of -log p(token | tokens before it). A long text is read in windows, each from an empty cache; each token
counts once, in the first window that predicts it; without a token before the windows the first one of the text does not.
Bits per byte can be compared between models, perplexity and nats per token only where the tokenizer is the same.

Examples:
  molmo perplexity models/shakespeare --text plays.txt --bos 0
  molmo perplexity OLMo-2-0425-1B --text letter.txt --context 1024 --stride 512 --json)");
  return sub;
}

int report(const result<int>& done) {
  if (done) return *done;
  fmt::print(stderr, "{} {}\n", red("molmo:", stderr), done.error().message);
  return done.error().code == molmo::errc::invalid_argument ? exit_usage : exit_failure;
}

int run(int argc, char** argv) {
  CLI::App app("molmo runs transformer language models on this machine.", "molmo");
  app.get_formatter()->column_width(36);
  app.set_version_flag("-v,--version", &about, "version, compiler, instruction set, backends, libraries");
  app.set_help_flag("-h,--help", "this text; `molmo COMMAND --help` says more about one");
  app.footer(R"(Examples:
  molmo generate models/shakespeare --prompt "ROMEO:" --stats
  molmo inspect models/shakespeare
  molmo bench --config qwen2_5_0_5b

Environment:  MOLMO_NUM_THREADS  threads, where --threads does not say
              NO_COLOR           no colours
Exit codes:   0 done, 1 failed (one sentence on standard error says why), 2 wrong usage, 130 stopped by Ctrl-C)");
  GenerateArgs generate_args;
  InspectArgs inspect_args;
  BenchArgs bench_args;
  QuantizeArgs quantize_args;
  PerplexityArgs perplexity_args;
  bool list_json = false;
  const CLI::App* generate_app = add_generate(app, generate_args);
  const CLI::App* inspect_app = add_inspect(app, inspect_args);
  const CLI::App* bench_app = add_bench(app, bench_args);
  const CLI::App* quantize_app = add_quantize(app, quantize_args);
  const CLI::App* perplexity_app = add_perplexity(app, perplexity_args);
  CLI::App* models_app = app.add_subcommand("models", "the models that are compiled in, and where they come from");
  add_json_option(*models_app, list_json);
  models_app->footer("");
  for (CLI::App* sub : app.get_subcommands({})) sub->set_help_flag("-h,--help", "this text");

  const std::span<char* const> args(argv + 1, argv + std::max(argc, 1));
  const auto wrong_usage = [](const std::string& message) {
    fmt::print(stderr, "{} {}\n", red("molmo:", stderr), message);
    return exit_usage;
  };
  if (const std::string message = unknown_command(app, args); !message.empty()) return wrong_usage(message);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // help and version
    app.exit(e);
    return std::fflush(stdout) == 0 ? exit_ok : exit_failure;
  } catch (const CLI::ParseError& e) {
    return wrong_usage(usage_message(app, e, args));
  }
  if (generate_app->parsed()) return report(generate(generate_args));
  if (inspect_app->parsed()) return report(inspect(inspect_args));
  if (bench_app->parsed()) return report(bench(bench_args));
  if (quantize_app->parsed()) return report(quantize(quantize_args));
  if (perplexity_app->parsed()) return report(perplexity(perplexity_args));
  if (models_app->parsed()) return report(list_models(list_json));
  fmt::print(stderr, "{}", app.help());
  return exit_usage;
}

}  // namespace
}  // namespace molmo_tool

int main(int argc, char** argv) {
  if (const std::string_view lacking = molmo_tool::missing_instructions(); !lacking.empty()) {
    std::fprintf(stderr,
                 "molmo: this program was compiled for %.*s, which this processor lacks; build it here, or with "
                 "-DMOLMO_NATIVE=OFF\n",
                 static_cast<int>(lacking.size()), lacking.data());
    return molmo_tool::exit_failure;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a failed write, looked at where it happens
  try {
    return molmo_tool::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("molmo: out of memory\n", stderr);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "molmo: %s\n", e.what());
  }
  return molmo_tool::exit_failure;
}
