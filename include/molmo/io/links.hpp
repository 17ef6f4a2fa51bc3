// SPDX-License-Identifier: Apache-2.0
// Links in a model folder: stays_inside(folder, file) says whether a file is in the folder that it seems to be in.
//
// Folders come from archives and clones, which may hold links to anything on this machine. A file may be a link only to
// a file of the same folder or, in the layout of the Hugging Face cache (<model>/snapshots/<revision>/file ->
// <model>/blobs/<hash>), to a blob of the same model.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/printable.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace molmo::inline v0::detail {

/// Why the system did not find a file, in words.
[[nodiscard]] inline failure not_found(std::string_view file, std::error_code e) {
  const std::string name = in_quotes(file, 400);
  if (e == std::errc::too_many_symbolic_link_levels)
    return fail(errc::io, text(name, " is a link that leads back to itself; put the file there instead"));
  if (!e || e == std::errc::no_such_file_or_directory || e == std::errc::not_a_directory)
    return fail(errc::not_found, text(name, " does not exist"));
  return fail(errc::io, text(name, " cannot be looked up: ", e.message()));
}

/// errc::format where `file` is a link that leads out of `directory`, errc::not_found where it leads to nothing,
/// errc::io where it leads back to itself.
[[nodiscard]] inline status stays_inside(const std::filesystem::path& directory, const std::filesystem::path& file) {
  namespace fs = std::filesystem;
  std::error_code e;
  const fs::path target = fs::canonical(file, e);
  if (e) return not_found(file.string(), e);
  const fs::path home = fs::canonical(directory, e);
  if (!e && target.parent_path() == home) return {};
  if (!e && home.parent_path().filename() == "snapshots" &&
      target.parent_path() == home.parent_path().parent_path() / "blobs")
    return {};
  return fail(errc::format, text(in_quotes(file.string(), 400),
                                 " is a link that leads out of its folder; put a copy of the file "
                                 "there or, if you trust the folder, allow it with follow_symlinks "
                                 "(the tool: --follow-symlinks)"));
}

}  // namespace molmo::inline v0::detail
