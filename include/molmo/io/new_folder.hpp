// SPDX-License-Identifier: Apache-2.0
// NewFolder: a folder that appears whole or not at all. Nothing that is there already is overwritten, and what was
// written is removed again unless keep() is called at the end.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/durable.hpp>
#include <molmo/io/printable.hpp>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

/// The files of a new folder; removed again unless they are kept.
class NewFolder {
 public:
  /// `path` must not exist, or be an empty folder.
  [[nodiscard]] static result<NewFolder> create(const std::string& path);
  NewFolder(NewFolder&& other) noexcept
      : path_(std::move(other.path_)),
        files_(std::move(other.files_)),
        created_(other.created_),
        keep_(std::exchange(other.keep_, true)) {}
  ~NewFolder() {
    std::error_code e;
    if (!keep_)
      for (const auto& f : files_) std::filesystem::remove(f, e);
    if (!keep_ && created_) std::filesystem::remove(path_, e);
  }
  void keep() { keep_ = true; }
  /// Writes a small file, under another name first.
  [[nodiscard]] status write(const std::string& name, std::string_view contents) {
    const std::filesystem::path path = path_ / name, part = path_ / (name + ".part");
    files_.push_back(path), files_.push_back(part);
    std::FILE* file = std::fopen(part.string().c_str(), "wbx");
    bool ok = file != nullptr && std::fwrite(contents.data(), 1, contents.size(), file) == contents.size();
    if (file != nullptr) ok = detail::close_durably(file) && ok;
    if (ok && detail::rename_durably(part, path)) return {};
    return fail(errc::io, text(in_quotes(path.string(), 400), " could not be written; is the disk full?"));
  }

 private:
  NewFolder() = default;
  [[nodiscard]] static std::string unfinished_file(const std::string& path);
  std::filesystem::path path_;
  std::vector<std::filesystem::path> files_;
  bool created_ = false, keep_ = false;
};

/// The name of a file that somebody began to write there; empty where there is none.
inline std::string NewFolder::unfinished_file(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code e;
  for (fs::directory_iterator at(path, e), end; !e && at != end; at.increment(e))
    if (at->path().extension() == ".part") return at->path().filename().string();
  return {};
}

inline result<NewFolder> NewFolder::create(const std::string& path) {
  namespace fs = std::filesystem;
  NewFolder folder;
  folder.path_ = path;
  std::error_code e;
  const fs::file_status there = fs::status(path, e);
  if (fs::exists(there)) {
    const bool empty = fs::is_directory(there) && fs::is_empty(path, e) && !e;
    folder.keep_ = !empty;
    if (!empty && fs::is_directory(there))
      if (const std::string left = unfinished_file(path); !left.empty())
        return fail(errc::io, text(in_quotes(path, 400), " holds ", in_quotes(left),
                                   ", which an interrupted conversion left, or one that still runs is writing; "
                                   "remove that folder, or name another"));
    if (!empty)
      return fail(errc::io, text(in_quotes(path, 400), fs::is_directory(there) ? " has files in it" : " exists already",
                                 "; nothing is overwritten, so give a new or an empty folder"));
    return folder;
  }
  folder.created_ = true;  // even if there is no memory half way; only an empty folder is ever removed
  fs::create_directories(path, e);
  if (e) {
    folder.keep_ = true;
    return fail(errc::io, text("the folder ", in_quotes(path, 400), " cannot be created"));
  }
  return folder;
}

}  // namespace molmo::inline v0
