// SPDX-License-Identifier: Apache-2.0
#include "loading.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "command_line.hpp"
#include "machine.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t worth_reading = 64 << 20;

int thread_count(int asked, const Weights& weights) { return asked > 0 ? asked : default_threads(weights.bytes); }

failure unknown_config(const std::string& typed) {
  std::vector<std::string> names;
  for (const CompiledIn& c : compiled_in()) names.emplace_back(c.name);
  const std::string_view near = nearest_word(typed, names);
  return usage_error(text("there is no config ", in_quotes(typed), near.empty() ? "" : "; did you mean ", near,
                          near.empty() ? "" : "?", near.empty() ? "; there are " : " There are ", model_names()));
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Reads large weight files once, in order: the model is mapped, and would otherwise fetch its pages in the middle of
// the first step, one by one and without a word. Failures are left to the loader.
status read_ahead(const std::string& directory, const std::stop_token& stop) {
  std::vector<fs::path> files;
  std::uint64_t total = 0;
  std::error_code e;
  for (fs::directory_iterator at(directory, e), end; !e && at != end; at.increment(e)) {
    if (at->path().extension() != ".safetensors" || !at->is_regular_file(e)) continue;
    files.push_back(at->path());
    total += at->file_size(e);
  }
  if (e || total < worth_reading || total > available_memory()) return {};
  ProgressBar bar("reading weights", stop);
  std::vector<char> buffer(std::size_t{4} << 20);
  std::uint64_t done = 0;
  for (const fs::path& path : files) {
    const auto close = [](std::FILE* f) { std::fclose(f); };
    const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
    if (file == nullptr) continue;
    std::setvbuf(file.get(), nullptr, _IONBF, 0);
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
      done += got;
      if (!bar({"", done, total})) return fail(errc::cancelled, "interrupted while loading");
    }
  }
  return {};
}

}  // namespace

status check_folder(const std::string& directory) {
  std::error_code e;
  const fs::file_status s = fs::status(directory, e);
  if (!fs::exists(s))
    return fail(errc::not_found, text("the model folder ", in_quotes(directory, 400),
                                      " does not exist; `molmo models` says where to get one"));
  if (!fs::is_directory(s))
    return fail(errc::not_found,
                text(in_quotes(directory, 400),
                     " is not a folder; give the folder that holds config.json and model.safetensors"));
  return {};
}

result<Opened> open_model(const std::string& directory, const BackendArgs& args, const std::stop_token& stop) {
  const result<int> threads = threads_asked_for(args.threads);
  if (!threads) return fail(threads.error());
  if (status s = check_folder(directory); !s) return fail(s.error());
  const Clock::time_point start = Clock::now();
  const result<LlmConfig> file = read_model_config(directory);
  if (!file) return failure_of_work(file.error());
  const result<std::size_t> index = find_compiled_in(*file);
  if (!index) return fail(index.error().code, text(in_quotes(directory, 400), ": ", index.error().message));
  LoadOptions options = load_options(args.files);
  ProgressBar bar("reading weights", stop);
  if (options.copy)
    options.progress = bar;
  else if (status s = read_ahead(directory, stop); !s)
    return fail(s.error());
  result<std::unique_ptr<Weights>> weights = load_weights(*index, directory, options);
  bar.clear();
  if (!weights) return failure_of_work(weights.error());
  const double read = static_cast<double>((*weights)->read_per_token);
  const int count = thread_count(*threads, **weights);
  Opened out{*file, run_on(args.backend, count, *index, std::move(*weights)), 0, read};
  out.seconds = seconds_since(start);
  return out;
}

result<Opened> draw_model(const std::string& config, const std::string& format, const BackendArgs& args,
                          const std::stop_token& stop) {
  const result<int> threads = threads_asked_for(args.threads);
  if (!threads) return fail(threads.error());
  const auto known = compiled_in();
  const auto at = std::find_if(known.begin(), known.end(), [&](const CompiledIn& c) { return c.name == config; });
  if (at == known.end())
    return unknown_config(config);
  const FormatId id = format_named(format).value_or(FormatId{});
  const Clock::time_point start = Clock::now();
  const auto index = static_cast<std::size_t>(at - known.begin());
  ProgressBar bar("drawing weights", stop);
  result<std::unique_ptr<Weights>> weights = draw_weights(index, id, available_memory(), bar);
  bar.clear();
  if (!weights) return failure_of_work(weights.error());
  const double read = static_cast<double>((*weights)->read_per_token);
  const int count = thread_count(*threads, **weights);
  Opened out{at->config, run_on(args.backend, count, index, std::move(*weights)), 0, read};
  out.seconds = seconds_since(start);
  return out;
}

result<std::unique_ptr<AnySession>> start_session(const AnyLlm& model, const SessionOptions& options) {
  const auto needed = static_cast<double>(model.plan(options).total()),
             available = static_cast<double>(available_memory());
  if (needed > available)
    return fail(errc::out_of_memory,
                text("a context of ", options.context, " positions needs ", bytes_text(needed), " of memory, but only ",
                     bytes_text(available), " are available; choose a smaller --context"));
  result<std::unique_ptr<AnySession>> session = model.start(options);
  if (!session) return failure_of_work(session.error());
  return session;
}

}  // namespace molmo_tool
