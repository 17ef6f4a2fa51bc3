// SPDX-License-Identifier: Apache-2.0
// Files: mapped or copied, and whatever is not a regular file refused without hanging.
#include "io/hostile.hpp"
#include "support/catch.hpp"

#include <molmo/io/mapped_file.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#if defined(__unix__) || defined(__APPLE__)
#include <sys/stat.h>
#include <unistd.h>
#endif

using namespace molmo;
using molmo_test::TemporaryFolder;

TEST_CASE("mapped file: the same bytes mapped and copied, and they stay when the object moves", "[mapped_file]") {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "hello");
  for (const bool copy : {false, true}) {
    result<MappedFile> opened = MappedFile::open(path, {.copy = copy});
    REQUIRE(opened);
    const std::byte* at = opened->bytes().data();
    MappedFile file = std::move(*opened);
    CHECK(file.bytes().data() == at);
    CHECK(file.chars() == "hello");
    CHECK(opened->bytes().empty());
    for (const Advice a : {Advice::sequential, Advice::random, Advice::will_need, Advice::dont_need}) file.advise(a);
    file.advise(Advice::will_need, file.bytes().subspan(2, 1));
    CHECK(file.chars() == "hello");
  }
}

TEST_CASE("mapped file: a copy reports progress and can be cancelled", "[mapped_file]") {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", std::string(20u << 20, 'x'));
  std::uint64_t done = 0;
  int calls = 0;
  auto watch = [&](const Progress& p) { return done = p.done, ++calls, p.total == (20u << 20); };
  REQUIRE(MappedFile::open(path, {.copy = true, .progress = watch}));
  CHECK(done == (20u << 20));
  CHECK(calls == 3);
  auto stop = [](const Progress&) { return false; };
  const result<MappedFile> cancelled = MappedFile::open(path, {.copy = true, .progress = stop});
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code == errc::cancelled);
}

TEST_CASE("FIFO, directory, device, unreadable, missing, empty: refused with a sentence", "[mapped_file][hostile]") {
  const TemporaryFolder folder;
  const auto refused = [](const std::string& path, errc code, std::string_view why) {
    for (const bool copy : {false, true}) {
      const result<MappedFile> r = MappedFile::open(path, {.copy = copy});
      REQUIRE_FALSE(r);
      CAPTURE(r.error().message);
      CHECK(r.error().code == code);
      CHECK(r.error().message.find(why) != std::string::npos);
    }
  };
  refused(folder / "missing", errc::not_found, "does not exist");
  refused(folder / "missing/file", errc::not_found, "does not exist");
  refused(folder.path().string(), errc::format, "is a folder");
  refused(folder.write("empty", ""), errc::format, "is empty");
  refused("", errc::invalid_argument, "is not a file name");
  refused(std::string("a\0b", 3), errc::invalid_argument, "is not a file name");
  refused(folder.write("small", "123") + "/x", errc::not_found, "does not exist");
#if defined(__unix__) || defined(__APPLE__)
  refused("/dev/zero", errc::format, "device");
  const std::string fifo = folder / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  refused(fifo, errc::format, "pipe");
  if (::geteuid() != 0) {  // root may read everything
    const std::string locked = folder.write("locked", "x");
    std::filesystem::permissions(locked, std::filesystem::perms::none);
    refused(locked, errc::io, "may not be read");
  }
#endif
  const result<MappedFile> large = MappedFile::open(folder / "small", {.max_bytes = 2});
  REQUIRE_FALSE(large);
  CHECK(large.error().message.find("3 bytes, more than the 2 allowed") != std::string::npos);
}

TEST_CASE("a copied file does not notice that it is truncated or grown", "[mapped_file][hostile]") {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", std::string(100'000, 'a'));
  const result<MappedFile> copy = MappedFile::open(path, {.copy = true});
  const result<MappedFile> map = MappedFile::open(path);
  REQUIRE(copy);
  REQUIRE(map);
  std::filesystem::resize_file(path, 200'000);
  CHECK(map->bytes().size() == 100'000);  // what was checked is what is used
  CHECK(map->chars().back() == 'a');
  std::filesystem::resize_file(path, 1);
  CHECK(copy->chars() == std::string(100'000, 'a'));
}

TEST_CASE("a file of 1 TB without contents costs no memory", "[mapped_file][hostile]") {
  const TemporaryFolder folder;
  const std::string path = folder.write("sparse", molmo_test::length_of_header(50));
  std::error_code e;
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40, e);
  if (e) {
    WARN("this file system has no sparse files of 1 TB; only its refusal is tested");
    return;
  }
  const auto read = [&] {
    const result<MappedFile> file = MappedFile::open(path);
    return file ? SafeTensors::parse(file->bytes(), "sparse").has_value() : true;
  };
  CHECK_FALSE(molmo_test::within_a_second(read));  // its header is 50 NUL bytes
  molmo_test::within_memory(16u << 20, read);
  const result<MappedFile> copy = MappedFile::open(path, {.copy = true});
  if (copy) FAIL("this machine has 1 TB of memory, or the check is missing");
  CHECK(copy.error().code == errc::out_of_memory);
}
