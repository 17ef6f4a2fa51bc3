// SPDX-License-Identifier: Apache-2.0
// What the tests of hostile files share: temporary folders, hand-made safetensors files, and bounds on time and memory.
#pragma once

#include "support/catch.hpp"

#include <molmo/io/safetensors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MOLMO_TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOLMO_TEST_SANITIZED 1
#endif

namespace molmo_test {

#if defined(MOLMO_TEST_SANITIZED) || !defined(__OPTIMIZE__)
inline constexpr double slowness = 20;  // of a build that is instrumented or not optimised
inline constexpr bool memory_is_measurable = false;
#else
inline constexpr double slowness = 1;
inline constexpr bool memory_is_measurable = true;
#endif

/// A folder that vanishes with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int n = 0;
    path_ =
        std::filesystem::temp_directory_path() / molmo::text("molmo_test_", static_cast<std::uint64_t>(std::clock()),
                                                             "_", reinterpret_cast<std::uintptr_t>(this), "_", n++);
#if defined(__linux__)
    path_ += molmo::text("_", static_cast<std::int64_t>(::getpid()));
#endif
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  /// Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view contents) const {
    const std::string file = *this / name;
    std::ofstream(file, std::ios::binary).write(contents.data(), static_cast<std::streamsize>(contents.size()));
    return file;
  }

 private:
  std::filesystem::path path_;
};

inline std::span<const std::byte> as_bytes(std::string_view s) {
  return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}

/// The 8 bytes of a header's length.
inline std::string length_of_header(std::uint64_t n) {
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>((n >> (8 * i)) & 0xff));
  return out;
}

/// A file of this header, with its true length, and this data.
inline std::string safetensors_file(std::string_view header, std::string_view data = {}) {
  return length_of_header(header.size()).append(header).append(data);
}

/// "ok", or the error's message.
inline std::string parse(std::string_view file) {
  const molmo::result<molmo::SafeTensors> r = molmo::SafeTensors::parse(as_bytes(file), "file");
  return r ? "ok" : r.error().message;
}

/// `work()` takes at most a second of processor time (more where the build is slow) ...
template <class Work>
auto within_a_second(Work work) {
  const std::clock_t start = std::clock();
  auto out = work();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  CHECK(seconds < 1.0 * slowness);
  return out;
}

/// ... and `work()`, in a process of its own, at most `bytes` of memory beyond what there was. Passes where nothing can
/// be measured.
template <class Work>
void within_memory([[maybe_unused]] std::uint64_t bytes, [[maybe_unused]] Work work) {
#if defined(__linux__)
  if constexpr (memory_is_measurable) {
    const auto kilobytes = [](std::string_view field) {
      std::ifstream status("/proc/self/status");
      for (std::string line; std::getline(status, line);)
        if (line.starts_with(field)) return std::stoull(line.substr(field.size()));
      return 0ull;
    };
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const ::pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
      const auto before = kilobytes("VmRSS:");
      work();
      const std::uint64_t grown = (kilobytes("VmHWM:") - before) * 1024;
      const bool told = ::write(ends[1], &grown, sizeof grown) == static_cast<::ssize_t>(sizeof grown);
      ::_exit(told ? 0 : 1);
    }
    std::uint64_t grown = 0;
    ::close(ends[1]);
    const bool heard = ::read(ends[0], &grown, sizeof grown) == static_cast<::ssize_t>(sizeof grown);
    ::close(ends[0]);
    int state = -1;
    ::waitpid(child, &state, 0);
    CHECK(state == 0);
    REQUIRE(heard);
    CHECK(grown <= bytes);
  }
#endif
}

}  // namespace molmo_test
