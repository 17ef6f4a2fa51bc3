// SPDX-License-Identifier: Apache-2.0
// Checkpoints of one file and of shards; what an index may and may not say.
#include "io/hostile.hpp"
#include "support/catch.hpp"

#include <molmo/io/checkpoint.hpp>
#include <molmo/io/safetensors_write.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace molmo;
using namespace std::string_view_literals;
using molmo_test::as_bytes;
using molmo_test::TemporaryFolder;

namespace {

/// A shard with a tensor of two bytes under each name.
void write_shard(const std::filesystem::path& path, const std::vector<std::string>& names) {
  const std::uint64_t two[] = {2};
  std::vector<TensorInfo> tensors;
  for (const std::string& n : names) tensors.push_back({n, DType::u8, two, as_bytes("xy"sv)});
  REQUIRE(write_safetensors(path.string(), tensors, {.overwrite = true}));
}

std::string index(std::string_view map, std::string_view metadata = "{\"total_size\":4}") {
  return text("{\"metadata\":", metadata, ",\"weight_map\":", map, "}");
}

constexpr std::string_view good_map = R"({"a":"m-1.safetensors","b":"m-2.safetensors"})";

/// A folder of two shards, a in the first and b in the second, with this index.
void write_folder(const TemporaryFolder& folder, std::string_view index_json) {
  write_shard(folder.path() / "m-1.safetensors", {"a"});
  write_shard(folder.path() / "m-2.safetensors", {"b"});
  folder.write("model.safetensors.index.json", index_json);
}

std::string open(const TemporaryFolder& folder, const CheckpointOptions& options = {}) {
  const result<Checkpoint> c = Checkpoint::open(folder.path().string(), options);
  return c ? "ok" : c.error().message;
}

void refused(std::string_view index_json, std::string_view reason) {
  const TemporaryFolder folder;
  write_folder(folder, index_json);
  const std::string got = molmo_test::within_a_second([&] { return open(folder); });
  CAPTURE(index_json.substr(0, 300), got);
  CHECK(got != "ok");
  CHECK(got.size() < 1500);
  CHECK(got.find(reason) != got.npos);
}

}  // namespace

TEST_CASE("checkpoint: one file", "[checkpoint]") {
  const TemporaryFolder folder;
  write_shard(folder.path() / "model.safetensors", {"z", "a"});
  for (const bool copy : {false, true}) {
    std::uint64_t reports = 0;
    auto watch = [&](const Progress&) { return ++reports, true; };
    result<Checkpoint> opened = Checkpoint::open(folder.path().string(), {.copy = copy, .progress = watch});
    REQUIRE(opened);
    const Checkpoint c = std::move(*opened);
    CHECK(c.tensors().size() == 2);
    CHECK(c.tensors()[0]->name == "a");
    REQUIRE(c.find("z"));
    CHECK(c.find("z")->bytes[1] == std::byte{'y'});
    CHECK(c.find("nothing") == nullptr);
    CHECK(c.bytes() == 4);
    CHECK(c.files() == 1);
    CHECK(reports >= 1);
    c.advise(Advice::will_need);
  }
  auto stop = [](const Progress&) { return false; };
  const result<Checkpoint> cancelled = Checkpoint::open(folder.path().string(), {.progress = stop});
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code == errc::cancelled);
}

TEST_CASE("checkpoint: shards", "[checkpoint]") {
  const TemporaryFolder folder;
  write_folder(folder, index(good_map));
  const result<Checkpoint> c = Checkpoint::open(folder.path().string());
  REQUIRE(c);
  CHECK(c->files() == 2);
  CHECK(c->find("a"));
  CHECK(c->find("b"));
  CHECK(c->bytes() == 4);
  for (const std::string_view metadata :
       {"{}"sv, "{\"total_size\":4.0}"sv,
        "{\"x\":[1,{\"total_size\":9}],\"y\":null,\"total_size\":4,\"z\":{\"w\":{}}}"sv}) {
    write_folder(folder, index(good_map, metadata));
    CHECK(open(folder) == "ok");
  }
  for (const std::string_view metadata : {"null"sv, "{\"total_size\":null}"sv}) {  // as if it were not there
    write_folder(folder, index(good_map, metadata));
    CHECK(open(folder) == "ok");
  }
  write_folder(folder, text("{\"weight_map\":", good_map, ",\"other\":[{\"weight_map\":1}]}"));
  CHECK(open(folder) == "ok");
}

TEST_CASE("checkpoint: what is not there", "[checkpoint]") {
  const TemporaryFolder folder;
  CHECK(open(folder).find("holds neither model.safetensors nor") != std::string::npos);
  const result<Checkpoint> none = Checkpoint::open(folder / "none");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == errc::not_found);
  const result<Checkpoint> file = Checkpoint::open(folder.write("file", "x"));
  REQUIRE_FALSE(file);
  CHECK(file.error().message.find("is not a folder") != std::string::npos);
  folder.write("model.safetensors", "");
  CHECK(open(folder).find("is empty") != std::string::npos);
  folder.write("model.safetensors", "x");
  CHECK(open(folder).find("not a safetensors file") != std::string::npos);
}

TEST_CASE("index: names that lead out of the folder", "[checkpoint][hostile]") {
  for (const std::string_view name :
       {"../m-1.safetensors"sv, "../../etc/x.safetensors"sv, "/etc/x.safetensors"sv, "a/b.safetensors"sv,
        "a\\\\b.safetensors"sv, "..\\\\x.safetensors"sv, "C:\\\\x.safetensors"sv, "C:x.safetensors"sv,
        "\\\\\\\\host\\\\share.safetensors"sv, "x\\u0000.safetensors"sv, "x\\n.safetensors"sv, ""sv, "."sv, ".."sv,
        ".safetensors"sv, "m-1.bin"sv, "m-1.safetensors."sv, "m-1.safetensors "sv})
    refused(index(text(R"({"a":")", name, R"(","b":"m-2.safetensors"})")), "only plain names");
  refused(index(text(R"({"a":")", std::string(300, 'x'), R"(.safetensors","b":"m-2.safetensors"})")),
          "only plain names");
}

TEST_CASE("index: entries that contradict their files", "[checkpoint][hostile]") {
  refused(index(R"({"a":"m-2.safetensors","b":"m-1.safetensors"})"), "', but it lies in 'm-");
  refused(index(R"({"a":"m-1.safetensors","b":"m-3.safetensors"})"), "does not exist");
  refused(index(R"({"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-2.safetensors"})"),
          "names tensor 'c', which is not in");
  refused(index(R"({"a":"m-1.safetensors","c":"m-2.safetensors"})"), "does not name tensor 'b'");
  refused(index(R"({"a":"m-1.safetensors","a":"m-2.safetensors"})"), "stands twice");
  refused(index(good_map, "{\"total_size\":5}"), "says 5 bytes, but the tensors have 4");
  refused(index(good_map, "{\"total_size\":18446744073709551615}"), "says 18446744073709551615 bytes");
  refused(index(good_map, "{\"total_size\":-1}"), "negative");
  refused(index(good_map, "{\"total_size\":0.5}"), "not a number of bytes");
  refused(index(good_map, "{\"total_size\":1e300}"), "not a number of bytes");
  for (const std::string_view size : {"\"4\""sv, "[4]"sv, "{\"x\":4}"sv, "true"sv})
    refused(index(good_map, text("{\"total_size\":", size, "}")), "total_size is not a number of bytes");
  for (const std::string_view metadata : {"\"total_size\""sv, "4"sv, "-4"sv, "4.5"sv, "false"sv})
    refused(index(good_map, metadata), "metadata is not an object");

  const TemporaryFolder folder;  // the same tensor in two shards
  write_folder(folder, index(good_map, "{}"));
  write_shard(folder.path() / "m-2.safetensors", {"a", "b"});
  CHECK(open(folder).find("tensor 'a' lies in two of the files") != std::string::npos);

  const TemporaryFolder lie;
  write_folder(lie, index(good_map, "{\"total_size\":5}"));
  CHECK(open(lie, {.check_total_size = false}) == "ok");
}

TEST_CASE("index: files that are no indices", "[checkpoint][hostile]") {
  refused("{}", "has no weight_map");
  refused("[]", "array where an object belongs");
  refused("7", "has no object");
  refused("{\"weight_map\":{}}", "has no weight_map");
  refused("{\"weight_map\":[]}", "array where an object belongs");
  refused("{\"weight_map\":3}", "has no object");
  refused("{\"weight_map\":null}", "has no object");
  refused("{\"weight_map\":{\"a\":1}}", "is not a string");
  refused("{\"weight_map\":{\"a\":null}}", "is not a string");
  refused("{\"weight_map\":{\"a\":[]}}", "is not a string");
  refused("{\"weight_map\":{\"a\":{}}}", "is not a string");
  refused(text("{\"weight_map\":", std::string(100'000, '[')), "nested deeper");
  refused("{", "not valid JSON");
  std::string map = "{";
  for (int i = 0; i < 20'000; ++i) map += text(i ? "," : "", "\"t", i, "\":\"s", i, ".safetensors\"");
  refused(index(map + "}"), "more than 10000 files");
}

TEST_CASE("index: links", "[checkpoint][hostile]") {
  namespace fs = std::filesystem;
  const TemporaryFolder elsewhere, folder;
  write_shard(elsewhere.path() / "model.safetensors", {"a"});
  std::error_code e;
  fs::create_symlink(elsewhere.path() / "model.safetensors", folder.path() / "model.safetensors", e);
  if (e) {
    WARN("this file system has no symbolic links");
    return;
  }
  CHECK(open(folder).find("leads out of its folder") != std::string::npos);
  CHECK(open(folder, {.follow_symlinks = true}) == "ok");

  const TemporaryFolder shards;
  write_folder(shards, index(good_map));
  fs::rename(shards.path() / "m-2.safetensors", elsewhere.path() / "m-2.safetensors");
  fs::create_symlink(elsewhere.path() / "m-2.safetensors", shards.path() / "m-2.safetensors");
  CHECK(open(shards).find("leads out of its folder") != std::string::npos);

  fs::remove(shards.path() / "m-2.safetensors");  // a link inside of the folder is fine, one to nowhere is not
  write_shard(shards.path() / "real", {"b"});
  fs::create_symlink("real", shards.path() / "m-2.safetensors");
  CHECK(open(shards) == "ok");
  fs::remove(shards.path() / "real");
  CHECK(open(shards).find("does not exist") != std::string::npos);

  const TemporaryFolder loop;  // links in a circle are there, and lead nowhere
  fs::create_symlink("model.safetensors", loop.path() / "model.safetensors");
  CHECK(open(loop).find("model.safetensors' is a link that leads back to itself") != std::string::npos);
  CHECK(open(loop, {.follow_symlinks = true}).find("leads back to itself") != std::string::npos);
  fs::create_symlink("round", loop.path() / "round");
  const result<Checkpoint> round = Checkpoint::open(loop / "round");
  REQUIRE_FALSE(round);
  CHECK(round.error().message.find("leads back to itself") != std::string::npos);

  // the Hugging Face cache: models--x/snapshots/<revision>/model.safetensors -> ../../blobs/<hash>
  const TemporaryFolder cache;
  const fs::path snapshot = cache.path() / "snapshots" / "0123abcd";
  fs::create_directories(snapshot);
  fs::create_directories(cache.path() / "blobs");
  write_shard(cache.path() / "blobs" / "feed", {"a"});
  fs::create_symlink("../../blobs/feed", snapshot / "model.safetensors");
  CHECK(Checkpoint::open(snapshot.string()).has_value());
  fs::remove(snapshot / "model.safetensors");
  fs::create_symlink(elsewhere.path() / "model.safetensors", snapshot / "model.safetensors");
  CHECK_FALSE(Checkpoint::open(snapshot.string()).has_value());
}

TEST_CASE("checkpoint: the stories260K folder, where it is present", "[checkpoint]") {
  const std::string folder = text(MOLMO_SHARED_DIR, "/models/stories260K");
  if (!std::filesystem::exists(folder)) {
    WARN("no stories260K here; its loading is not tested");
    return;
  }
  const result<Checkpoint> c = Checkpoint::open(folder);
  REQUIRE(c);
  CHECK(c->tensors().size() == 47);
  REQUIRE(c->find("model.embed_tokens.weight"));
  CHECK(shape_text(c->find("model.embed_tokens.weight")->shape) == "[512, 64]");
  CHECK(c->find("model.embed_tokens.weight")->dtype == DType::f32);
}
