// SPDX-License-Identifier: Apache-2.0
// close_durably(), rename_durably(): a file whose new name promises that its bytes are on the disk.
//
// A rename may reach the disk before the bytes that were written: after a power cut the name would stand for a file of
// holes. So the bytes go first, then the name, then the folder that holds it. File systems that know no such order are
// left alone.
#pragma once

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <unistd.h>
#endif

namespace molmo::inline v0::detail {

/// Closes the file once its bytes are on the disk; false where one of the two fails.
[[nodiscard]] inline bool close_durably(std::FILE* file) {
  bool ok = std::fflush(file) == 0;
#if defined(__unix__) || defined(__APPLE__)
  if (ok && ::fsync(::fileno(file)) != 0) ok = errno == EINVAL || errno == ENOTSUP || errno == ENOSYS;
#endif
  return std::fclose(file) == 0 && ok;
}

/// Renames a file that close_durably() closed, in its folder.
[[nodiscard]] inline bool rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::string folder = to.has_parent_path() ? to.parent_path().string() : ".";  // before: it needs memory
  std::error_code e;
  std::filesystem::rename(from, to, e);
  if (e) return false;
#if defined(__unix__) || defined(__APPLE__)
  if (const int fd = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC); fd >= 0) {
    (void)::fsync(fd);  // the file is whole either way; without its name it would be missing, not damaged
    (void)::close(fd);
  }
#endif
  return true;
}

}  // namespace molmo::inline v0::detail
