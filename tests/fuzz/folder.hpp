// SPDX-License-Identifier: Apache-2.0
// A model folder out of one input, for the harnesses of what reads several files that have to agree.
//
//   x=== config.json        The first byte is the harness's. Each line "=== <name>" begins a file, which ends before
//   {"model_type": ...      the next such line. Other names than those below are ignored. Where the text of a
//   === model.safetensors   .safetensors file begins with '{', it is a header: its length goes before it and data of
//   {"lm_head.weight": ...  the size that it wants after it, finite numbers in every format of weights.
#pragma once

#include "fuzz.hpp"

#include <molmo/models/llm.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace molmo_fuzz {

/// The model that the folder should hold: seeds/folder has it.
inline constexpr molmo::LlmConfig tiny{.d_model = 8,
                                       .n_heads = 2,
                                       .n_kv_heads = 1,
                                       .n_layers = 1,
                                       .mlp_hidden_size = 12,
                                       .vocab_size = 16,
                                       .max_sequence_length = 32};

inline constexpr std::string_view file_names[] = {"config.json",
                                                  "generation_config.json",
                                                  "tokenizer.json",
                                                  "tokenizer_config.json",
                                                  "chat_template.jinja",
                                                  "model.safetensors",
                                                  "model.safetensors.index.json",
                                                  "m-1.safetensors",
                                                  "m-2.safetensors"};

/// The largest number below 65536 that follows a comma: most likely the end of the data.
inline std::size_t wanted_data(std::string_view header) {
  std::size_t most = 0;
  for (std::size_t i = 0; i + 1 < header.size(); ++i) {
    if (header[i] != ',') continue;
    std::size_t n = 0;
    for (std::size_t j = i + 1; j < header.size() && header[j] >= '0' && header[j] <= '9' && n < 65536; ++j)
      n = 10 * n + static_cast<std::size_t>(header[j] - '0');
    if (n < 65536) most = std::max(most, n);
  }
  return most;
}

/// The files of an input, the same object for all inputs: a folder of its own where memory is a file system.
class Folder {
 public:
  Folder() {
    namespace fs = std::filesystem;
    const fs::path memory = "/dev/shm";
    std::error_code e;
    base_ = (fs::is_directory(memory, e) ? memory : fs::temp_directory_path()) /
            ("molmo_fuzz_" + std::to_string(::getpid()));
    fs::create_directories(base_ / "model");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code e;
    std::filesystem::remove_all(base_, e);
  }

  /// Makes the folder hold the files of `input`, and only them. Their size in bytes comes back.
  std::size_t fill(std::string_view input) {
    constexpr std::string_view begin = "=== ";
    std::map<std::string_view, std::string> files;
    for (std::size_t at = input.starts_with(begin) ? 0 : after_line(input, 0); at < input.size();) {
      const std::size_t line = std::min(input.find('\n', at), input.size()), end = after_line(input, line);
      const std::string_view name = input.substr(at + begin.size(), line - at - begin.size());
      std::string contents(input.substr(std::min(line + 1, input.size()), end - std::min(line + 1, end)));
      if (name.ends_with(".safetensors") && contents.starts_with('{')) {
        std::string length;
        for (unsigned i = 0; i < 8; ++i) length.push_back(static_cast<char>((contents.size() >> (8 * i)) & 0xff));
        contents = length + contents + std::string(wanted_data(contents), '\x3c');
      }
      for (const std::string_view known : file_names)
        if (name == known) files[known] = std::move(contents);
      at = end;
    }
    std::size_t bytes = 0;
    for (const std::string_view name : file_names) {
      const std::filesystem::path path = base_ / "model" / name;
      const auto file = files.find(name);
      std::error_code e;
      if (file == files.end()) {
        std::filesystem::remove(path, e);
      } else {
        std::ofstream(path, std::ios::binary)
            .write(file->second.data(), static_cast<std::streamsize>(file->second.size()));
        bytes += file->second.size();
      }
    }
    return bytes;
  }
  [[nodiscard]] std::string model() const { return (base_ / "model").string(); }
  /// A folder that is not there yet.
  [[nodiscard]] std::string other() const { return (base_ / "new").string(); }

 private:
  /// Where the next line that begins a file begins.
  static std::size_t after_line(std::string_view input, std::size_t from) {
    const std::size_t at = input.find("\n=== ", from);
    return at == input.npos ? input.size() : at + 1;
  }
  std::filesystem::path base_;
};

/// As expect_message; a report of all that does not fit has several lines.
inline void expect_report(std::string_view message) {
  expect(!message.empty() && message.size() < 100'000, "a report is bounded");
  for (const char c : message) expect((c >= 0x20 && c < 0x7f) || c == '\n', "a report is printable ASCII");
}

}  // namespace molmo_fuzz
