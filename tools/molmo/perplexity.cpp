// SPDX-License-Identifier: Apache-2.0
// molmo perplexity: how surprising a text is to a model.
#include <molmo/io/mapped_file.hpp>
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <molmo/run/perplexity.hpp>

#include <fmt/format.h>

#include <chrono>
#include <limits>

#include "interrupt.hpp"
#include "json_text.hpp"
#include "loading.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

constexpr std::size_t longest_text = std::size_t{1} << 30;

result<std::string> read_text(const std::string& path) {
  if (path != "-") {
    const result<MappedFile> file = MappedFile::open(path, {.copy = true, .max_bytes = longest_text});
    if (!file) return failure_of_work(file.error());
    return std::string(file->chars());
  }
  std::string all;
  char buffer[65536];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, stdin)) {
    all.append(buffer, got);
    if (all.size() > longest_text) return fail(errc::format, "the text is longer than 1 GiB");
  }
  return all;
}

}  // namespace

result<int> perplexity(const PerplexityArgs& args) {
  if (args.bos && args.no_bos) return usage_error("give --bos or --no-bos, not both");
  if (status s = check_folder(args.directory); !s) return fail(s.error());
  const result<std::string> words = read_text(args.text_file);
  if (!words) return fail(words.error());

  const Interrupts interrupts;
  const result<Opened> opened = open_model(args.directory, args.run, interrupts.token());
  if (!opened) return ended(interrupts, fail(opened.error()));
  const result<Tokenizer> tokenizer = Tokenizer::from_file(args.directory + "/tokenizer.json");
  if (!tokenizer) return failure_of_work(tokenizer.error());
  const result<std::vector<std::int32_t>> ids = tokenizer->encode(*words, {.add_special = false});
  if (!ids) return failure_of_work(ids.error());

  PerplexityOptions options;
  options.context = molmo::detail::resolved({.context = args.context}, opened->file.max_sequence_length).context;
  options.stride = args.stride == 0 ? options.context : args.stride;
  if (options.stride > options.context)
    return usage_error(text("--stride is ", options.stride, "; it must be at most the window's ", options.context));
  if (args.bos) {
    if (*args.bos < 0 || *args.bos >= opened->file.embedding_rows())
      return usage_error(
          text("--bos is ", *args.bos, "; the model's tokens are 0 to ", opened->file.embedding_rows() - 1));
    options.begin_token = static_cast<std::int32_t>(*args.bos);
  } else if (!args.no_bos) {
    const result<std::vector<std::int32_t>> special = tokenizer->encode("");
    if (special && !special->empty()) options.begin_token = special->front();
  }
  const result<std::unique_ptr<AnySession>> session =
      start_session(*opened->ready.model, {.context = options.context, .prefill_chunk = 512, .logit_rows = 64});
  if (!session) return fail(session.error());

  ProgressBar bar("reading the text", interrupts.token());
  options.progress = bar;
  options.stop = interrupts.token();
  const auto start = std::chrono::steady_clock::now();
  const result<Perplexity> done = molmo::perplexity(**session, *ids, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  bar.clear();
  if (!done) return ended(interrupts, failure_of_work(done.error()));

  const double bytes_per_token = static_cast<double>(words->size()) / static_cast<double>(ids->size());
  const double bits_per_byte = done->per_token() / std::log(2.0) / bytes_per_token;
  Output out;
  if (args.json) {
    JsonText j;
    j.field("model", args.directory);
    j.field("text", args.text_file);
    j.field("backend", opened->ready.backend);
    j.field("threads", opened->ready.threads);
    j.field("context", options.context);
    j.field("stride", options.stride);
    if (options.begin_token)
      j.field("begin_token", *options.begin_token);
    else
      j.null("begin_token");
    j.field("perplexity", done->value());
    j.field("nats_per_token", done->per_token());
    j.field("bits_per_byte", bits_per_byte);
    j.field("tokens", done->tokens);
    j.field("windows", done->windows);
    j.field("text_tokens", ids->size());
    j.field("text_bytes", words->size());
    j.field("seconds", seconds);
    out.write(j.str());
  } else {
    const std::string begin = options.begin_token ? fmt::format("each after token {}", *options.begin_token)
                                                  : "each after the token before it";
    out.write(
        fmt::format("perplexity  {:.4f}\nnats/token  {:.5f}\nbits/byte   {:.5f}\n"
                    "tokens      {} of {}, in {} window{} of {} positions, {} apart, {}\n"
                    "time        {}, {} tokens/s on {} with {} thread{}\n",
                    done->value(), done->per_token(), bits_per_byte, grouped(done->tokens),
                    grouped(static_cast<std::int64_t>(ids->size())), grouped(done->windows),
                    done->windows == 1 ? "" : "s", grouped(options.context), grouped(options.stride), begin,
                    seconds_text(seconds), rate_text(static_cast<double>(done->tokens) / seconds),
                    opened->ready.backend, opened->ready.threads, opened->ready.threads == 1 ? "" : "s"));
  }
  return out.finish();
}

}  // namespace molmo_tool
