// SPDX-License-Identifier: Apache-2.0
// MappedFile: the bytes of a regular file, read-only, mapped (POSIX) or copied into memory.
//
// Mapped bytes cost no memory of their own, but belong to the file: a program that truncates it while it is mapped
// makes the next access fault (SIGBUS). Files that others may write to are opened with `copy = true`: they are read
// once, to their end. FIFOs, directories, devices and empty files are refused. Where there is no mmap the file is
// always copied.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/printable.hpp>
#include <molmo/io/progress.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <cstdio>
#include <filesystem>
#endif

namespace molmo::inline v0 {

/// errc::invalid_argument for a folder without a name: "" + "/config.json" would be a file of the file system's root.
[[nodiscard]] inline status named_folder(const std::string& directory) {
  if (!directory.empty()) return {};
  return fail(errc::invalid_argument, "the name of the model folder is empty; give the folder that holds config.json");
}

struct FileOptions {
  bool copy = false;  ///< read into memory instead of mapping: immune against writers
  std::uint64_t max_bytes = (std::numeric_limits<std::uint64_t>::max)();  ///< larger files are refused unread
  ProgressSink progress{};                                                ///< told while copying
};

/// How the bytes will be read next: a hint to the system, never an error.
enum class Advice { sequential, random, will_need, dont_need };

class MappedFile {
 public:
  /// The file at `path`. errc::not_found, errc::io, errc::format (not a regular file, empty, too large),
  /// errc::cancelled.
  [[nodiscard]] static result<MappedFile> open(const std::string& path, const FileOptions& options = {}) {
    return without_bad_alloc("opening a file", [&] { return open_unguarded(path, options); });
  }

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept { swap(other); }
  MappedFile& operator=(MappedFile&& other) noexcept {
    MappedFile taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~MappedFile() { release(); }

  /// The whole file. Stays in place when the object is moved.
  [[nodiscard]] std::span<const std::byte> bytes() const MOLMO_LIFETIMEBOUND { return {data_, size_}; }
  [[nodiscard]] std::string_view chars() const MOLMO_LIFETIMEBOUND {
    return {reinterpret_cast<const char*>(data_), size_};
  }
  [[nodiscard]] bool is_mapped() const { return mapped_; }

  /// Tells the system how `part` (of bytes()) will be read.
  void advise(Advice advice, std::span<const std::byte> part) const;
  void advise(Advice advice) const { advise(advice, bytes()); }

 private:
  static constexpr std::align_val_t alignment{64};

  void swap(MappedFile& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
  }
  void release();
  [[nodiscard]] static failure bad(errc code, const std::string& path, std::string_view why) {
    return fail(code, text(in_quotes(path, 400), " ", why));
  }
  /// Checked before anything is allocated: 1 TB of holes costs no disk, but would cost 1 TB of memory.
  [[nodiscard]] static result<MappedFile> open_unguarded(const std::string& path, const FileOptions& options);
  [[nodiscard]] static result<MappedFile> allocate(const std::string& path, std::uint64_t size, std::uint64_t memory) {
    if (size > memory || size > (std::numeric_limits<std::size_t>::max)() / 2)
      return bad(errc::out_of_memory, path,
                 text("has ", size, " bytes, more than this machine's memory; map it instead of copying"));
    MappedFile file;
    file.data_ = static_cast<std::byte*>(::operator new(static_cast<std::size_t>(size), alignment, std::nothrow));
    if (!file.data_) return bad(errc::out_of_memory, path, text("does not fit into memory (", size, " bytes)"));
    file.size_ = static_cast<std::size_t>(size);
    return file;
  }
  /// Fills the allocation by read_some(destination, bytes wanted) -> bytes got, 0 at the end, negative on an error.
  template <class ReadSome>
  [[nodiscard]] static status fill(MappedFile& file, const std::string& path, const FileOptions& options,
                                   ReadSome read_some) {
    constexpr std::size_t chunk = std::size_t{8} << 20;
    for (std::size_t done = 0; done < file.size_;) {
      const auto got = read_some(file.data_ + done, (std::min)(chunk, file.size_ - done));
      if (got < 0) return bad(errc::io, path, "could not be read to its end");
      if (got == 0) return bad(errc::io, path, "became shorter while it was read");
      done += static_cast<std::size_t>(got);
      if (!options.progress.report({path, done, file.size_}))
        return fail(errc::cancelled, text("loading ", in_quotes(path, 400), " was cancelled"));
    }
    return {};
  }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
};

#if defined(__unix__) || defined(__APPLE__)

inline void MappedFile::release() {
  if (mapped_)
    ::munmap(data_, size_);
  else
    ::operator delete(data_, alignment);
}

inline result<MappedFile> MappedFile::open_unguarded(const std::string& path, const FileOptions& options) {
  if (path.empty() || path.find('\0') != path.npos) return bad(errc::invalid_argument, path, "is not a file name");
  struct Descriptor {
    int fd;
    ~Descriptor() {
      if (fd >= 0) ::close(fd);
    }
  };
  // O_NONBLOCK: a FIFO without a writer would block here for ever; it means nothing for regular files
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (file.fd < 0) {
    const int e = errno;
    if (e == ENOENT || e == ENOTDIR) return bad(errc::not_found, path, "does not exist");
    if (e == EACCES || e == EPERM) return bad(errc::io, path, "may not be read by this user");
    if (e == ELOOP) return bad(errc::io, path, "is a link that leads back to itself; put the file there instead");
    return bad(errc::io, path, text("cannot be opened: ", std::generic_category().message(e)));
  }
  struct stat info {};
  if (::fstat(file.fd, &info) != 0)
    return bad(errc::io, path, text("cannot be examined: ", std::generic_category().message(errno)));
  if (S_ISDIR(info.st_mode)) return bad(errc::format, path, "is a folder, not a file");
  if (!S_ISREG(info.st_mode)) return bad(errc::format, path, "is a device, pipe or socket, not a regular file");
  if (info.st_size <= 0) return bad(errc::format, path, "is empty");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > options.max_bytes)
    return bad(errc::format, path, text("has ", size, " bytes, more than the ", options.max_bytes, " allowed"));

  if (!options.copy) {
    if (size > (std::numeric_limits<std::size_t>::max)() / 2)
      return bad(errc::out_of_memory, path, "is too large for the address space");
    void* where = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (where == MAP_FAILED && errno == ENOMEM)
      return bad(errc::out_of_memory, path,
                 text("cannot be mapped: there is no room for ", size, " bytes; is there a limit (ulimit -v)?"));
    if (where == MAP_FAILED)
      return bad(errc::io, path, text("cannot be mapped: ", std::generic_category().message(errno)));
    MappedFile mapped;
    mapped.data_ = static_cast<std::byte*>(where);
    mapped.size_ = static_cast<std::size_t>(size);
    mapped.mapped_ = true;
    return mapped;
  }
  const auto pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  const std::uint64_t memory = pages > 0 && page > 0
                                   ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page)
                                   : (std::numeric_limits<std::uint64_t>::max)();
  result<MappedFile> copy = allocate(path, size, memory);
  if (!copy) return copy;
  const auto read_some = [&](std::byte* to, std::size_t wanted) {
    for (;;) {
      const auto got = ::read(file.fd, to, wanted);
      if (got >= 0 || errno != EINTR) return got;
    }
  };
  if (status s = fill(*copy, path, options, read_some); !s) return fail(s.error());
  return copy;
}

inline void MappedFile::advise(Advice advice, std::span<const std::byte> part) const {
  if (!mapped_ || part.empty()) return;
  const auto page = static_cast<std::uintptr_t>(std::max<long>(1, ::sysconf(_SC_PAGESIZE)));
  const std::uintptr_t before = reinterpret_cast<std::uintptr_t>(part.data()) % page;  // madvise wants whole pages
  auto* const begin = const_cast<std::byte*>(part.data()) - before;
  const std::size_t bytes = part.size() + before;
#if defined(MADV_DONTNEED)
  if (advice == Advice::dont_need) {  // POSIX_MADV_DONTNEED does nothing; a read-only mapping loses nothing by this
    (void)::madvise(begin, bytes, MADV_DONTNEED);
    return;
  }
#endif
  const int hint = advice == Advice::sequential  ? POSIX_MADV_SEQUENTIAL
                   : advice == Advice::random    ? POSIX_MADV_RANDOM
                   : advice == Advice::will_need ? POSIX_MADV_WILLNEED
                                                 : POSIX_MADV_DONTNEED;
  (void)::posix_madvise(begin, bytes, hint);
}

#else

inline void MappedFile::release() { ::operator delete(data_, alignment); }

inline result<MappedFile> MappedFile::open_unguarded(const std::string& path, const FileOptions& options) {
  if (path.empty() || path.find('\0') != path.npos) return bad(errc::invalid_argument, path, "is not a file name");
  std::error_code e;
  if (!std::filesystem::exists(path, e)) return bad(errc::not_found, path, "does not exist");
  if (!std::filesystem::is_regular_file(path, e)) return bad(errc::format, path, "is not a regular file");
  const std::uint64_t size = std::filesystem::file_size(path, e);
  if (e) return bad(errc::io, path, "cannot be examined");
  if (size == 0) return bad(errc::format, path, "is empty");
  if (size > options.max_bytes)
    return bad(errc::format, path, text("has ", size, " bytes, more than the ", options.max_bytes, " allowed"));
  result<MappedFile> copy = allocate(path, size, (std::numeric_limits<std::uint64_t>::max)());
  if (!copy) return copy;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) return bad(errc::io, path, "cannot be opened");
  const auto read_some = [&](std::byte* to, std::size_t wanted) {
    const std::size_t got = std::fread(to, 1, wanted, file);
    return got == 0 && std::ferror(file) ? std::ptrdiff_t{-1} : static_cast<std::ptrdiff_t>(got);
  };
  const status s = fill(*copy, path, options, read_some);
  std::fclose(file);
  if (!s) return fail(s.error());
  return copy;
}

inline void MappedFile::advise(Advice, std::span<const std::byte>) const {}

#endif

}  // namespace molmo::inline v0
