// SPDX-License-Identifier: Apache-2.0
// read_json(path): a file of the size of config.json as a tree. Always copied, never mapped: writers cannot disturb it.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/json.hpp>
#include <molmo/io/mapped_file.hpp>

#include <string>

namespace molmo::inline v0 {

/// The tree, or an error that begins with the file's name. errc::not_found where there is no such file.
[[nodiscard]] inline result<json::Value> read_json(const std::string& path, json::Options options = {}) {
  return without_bad_alloc("reading JSON", [&]() -> result<json::Value> {
    result<MappedFile> file = MappedFile::open(path, {.copy = true, .max_bytes = options.max_bytes});
    if (!file) return fail(file.error());
    const std::string shown = in_quotes(path, 400);
    if (options.source == json::Options{}.source) options.source = shown;
    return json::parse(file->chars(), options);
  });
}

}  // namespace molmo::inline v0
