// SPDX-License-Identifier: Apache-2.0
// Companions: the small files beside the weights of a checkpoint folder, as they are copied into another one.
//
// All are looked at before anything is written. A link that leads out of the folder is refused, since what it points at
// would be published with the copy; so is what is empty, no regular file, or larger than such files ever are.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/links.hpp>
#include <molmo/io/mapped_file.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

struct Companion {
  std::string_view name;
  MappedFile file;
};

struct CompanionOptions {
  bool copy = false;             ///< read tokenizer.json, too, instead of mapping it
  bool follow_symlinks = false;  ///< allow links that lead out of the folder
};

/// What there is of the files that a folder may hold beside config.json and its weights. errc::format (a link that
/// leads out of the folder, a file that is empty, too large or none), errc::not_found (a link to nothing), errc::io.
[[nodiscard]] inline result<std::vector<Companion>> read_companions(const std::string& directory,
                                                                    const CompanionOptions& options = {}) {
  struct Kind {
    std::string_view name;
    std::uint64_t max_bytes;
  };
  constexpr std::uint64_t mib = std::uint64_t{1} << 20;
  static constexpr Kind kinds[] = {{"tokenizer.json", 1024 * mib},  // as Tokenizer::from_file
                                   {"tokenizer_config.json", 16 * mib},
                                   {"generation_config.json", mib},  // as json::Options
                                   {"special_tokens_map.json", 16 * mib},
                                   {"chat_template.jinja", 16 * mib}};
  return without_bad_alloc("reading the files beside the weights", [&]() -> result<std::vector<Companion>> {
    std::vector<Companion> out;
    for (const Kind& kind : kinds) {
      const std::filesystem::path path = std::filesystem::path(directory) / kind.name;
      std::error_code e;
      if (!std::filesystem::exists(std::filesystem::symlink_status(path, e))) continue;
      if (!options.follow_symlinks)
        if (status s = detail::stays_inside(directory, path); !s) return fail(s.error());
      const bool large = kind.max_bytes > 16 * mib;
      result<MappedFile> file =
          MappedFile::open(path.string(), {.copy = options.copy || !large, .max_bytes = kind.max_bytes});
      if (!file) return fail(file.error());
      out.push_back({kind.name, std::move(*file)});
    }
    return out;
  });
}

}  // namespace molmo::inline v0
