// SPDX-License-Identifier: Apache-2.0
// The commands and their options, as molmo.cpp reads them from the command line. Each returns the exit code, or an
// error, whose message is printed and whose exit code is 1 (2 where its code is errc::invalid_argument: wrong usage).
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/core/shape.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace molmo_tool {

using molmo::index_t;
using molmo::result;

inline constexpr int exit_ok = 0, exit_failure = 1, exit_usage = 2, exit_interrupted = 130, exit_pipe_closed = 141;

inline constexpr index_t longest_context = index_t{1} << 32;  ///< of molmo's sessions
inline constexpr int most_threads = 1024;

/// How the files of a model folder are read.
struct FileArgs {
  bool copy = false, follow_symlinks = false;  ///< as in molmo::LoadOptions
};

struct BackendArgs {
  FileArgs files;
  std::string backend;
  std::optional<int> threads;  ///< else MOLMO_NUM_THREADS, else one per core
};

struct GenerateArgs {
  std::string directory;
  std::optional<std::string> prompt;  ///< "-": standard input
  std::string prompt_file;
  bool no_bos = false, special = false, echo = false;
  index_t max_new = 256, context = 0;
  std::optional<double> temperature, top_p;
  std::optional<index_t> top_k;
  std::uint64_t seed = 0;
  BackendArgs run;
  bool stats = false, json = false;
};
[[nodiscard]] result<int> generate(const GenerateArgs& args);

struct InspectArgs {
  std::string directory;
  FileArgs files;
  index_t context = 0;
  bool json = false;
};
[[nodiscard]] result<int> inspect(const InspectArgs& args);

struct BenchArgs {
  std::string directory;  ///< or
  std::string config;     ///< random weights
  std::string format = "bf16";
  index_t prefill = 128, decode = 64;
  int repeat = 5;
  bool ops = true;  ///< time them one by one, too
  BackendArgs run;
  bool json = false, csv = false, markdown = false;
};
[[nodiscard]] result<int> bench(const BenchArgs& args);

struct QuantizeArgs {
  std::string directory, out, format;
  FileArgs files;
  std::string keep;  ///< words with commas between them; empty: the format's default; "none": nothing
  bool json = false;
};
[[nodiscard]] result<int> quantize(const QuantizeArgs& args);

struct PerplexityArgs {
  std::string directory, text_file;
  index_t context = 0, stride = 0;  ///< 0: the model's, and as the context
  std::optional<std::int64_t> bos;  ///< else what the tokenizer puts first
  bool no_bos = false;
  BackendArgs run;
  bool json = false;
};
[[nodiscard]] result<int> perplexity(const PerplexityArgs& args);

[[nodiscard]] result<int> list_models(bool json);

/// What `molmo --version` prints.
[[nodiscard]] std::string about();
/// Of the CLI11 that molmo.cpp was compiled with.
[[nodiscard]] std::string_view cli_version();
/// Not empty where this program was compiled for instructions that the processor lacks.
[[nodiscard]] std::string_view missing_instructions();

/// The backends of this program, the default first, as "xsimd|onednn|reference".
[[nodiscard]] std::string backend_choices();
[[nodiscard]] bool has_backend(std::string_view name);
/// The names of compiled_in(), as "stories260k, shakespeare, ...".
[[nodiscard]] std::string model_names();

}  // namespace molmo_tool
