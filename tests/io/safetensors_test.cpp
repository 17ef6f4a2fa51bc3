// SPDX-License-Identifier: Apache-2.0
// The safetensors reader: what is legal is read exactly; each kind of hostile file ends in one sentence.
#include "io/hostile.hpp"
#include "support/catch.hpp"

#include <molmo/io/mapped_file.hpp>
#include <molmo/io/safetensors.hpp>
#include <molmo/io/safetensors_write.hpp>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace molmo;
using namespace std::string_view_literals;
using namespace std::string_literals;
using molmo_test::as_bytes;
using molmo_test::length_of_header;
using molmo_test::safetensors_file;

namespace {

/// A file is refused, quickly, with a short message that has this in it.
void refused(std::string_view file, std::string_view reason) {
  const std::string got = molmo_test::within_a_second([&] { return molmo_test::parse(file); });
  CAPTURE(file.substr(0, 200), got);
  CHECK(got != "ok");
  CHECK(got.size() < 700);
  CHECK(got.find(reason) != got.npos);
}

void header_refused(std::string_view header, std::string_view reason, std::size_t data = 0) {
  refused(safetensors_file(header, std::string(data, '\1')), reason);
}

std::string tensor(std::string_view name, std::string_view dtype, std::string_view shape, std::uint64_t begin,
                   std::uint64_t end) {
  return text("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":[", begin, ",", end,
              "]}");
}

std::string one(std::string_view entry) { return text("{", entry, "}"); }

}  // namespace

TEST_CASE("safetensors: tensors of every dtype, in the order of the file", "[safetensors]") {
  const std::string header = text("{\"__metadata__\":{\"format\":\"pt\"},", tensor("b", "F32", "[2,3]", 8, 32), ",",
                                  tensor("a", "BF16", "[4]", 0, 8), "}");
  const std::string file = safetensors_file(header, "\1\2\3\4\5\6\7\10"s + std::string(24, 'x'));
  const result<SafeTensors> parsed = SafeTensors::parse(as_bytes(file), "file");
  REQUIRE(parsed);
  REQUIRE(parsed->tensors().size() == 2);
  CHECK(parsed->tensors()[0].name == "a");
  CHECK(parsed->tensors()[1].name == "b");
  const TensorInfo* b = parsed->find("b");
  REQUIRE(b);
  CHECK(b->dtype == DType::f32);
  CHECK(shape_text(b->shape) == "[2, 3]");
  CHECK(b->elements() == 6);
  CHECK(b->bytes.data() == as_bytes(file).data() + 8 + header.size() + 8);
  CHECK(b->bytes.size() == 24);
  CHECK(parsed->find("c") == nullptr);
  CHECK(parsed->find("") == nullptr);
  REQUIRE(parsed->metadata().size() == 1);
  CHECK(parsed->metadata()[0].second == "pt");

  const struct {
    std::string_view name;
    std::uint64_t bytes;
  } all[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2},
             {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},     {"U64", 8},     {"I64", 8}, {"F64", 8}};
  for (const auto& d : all) {
    const std::string f =
        safetensors_file(one(tensor("t", d.name, "[3]", 0, 3 * d.bytes)), std::string(3 * d.bytes, '\0'));
    const result<SafeTensors> r = SafeTensors::parse(as_bytes(f), "file");
    REQUIRE(r);
    CHECK(name_of(r->find("t")->dtype) == d.name);
    CHECK(bytes_per_element(r->find("t")->dtype) == d.bytes);
  }
}

TEST_CASE("safetensors: zero sizes, scalars, padded headers, empty files of no tensors", "[safetensors]") {
  CHECK(molmo_test::parse(safetensors_file("{}")) == "ok");
  CHECK(molmo_test::parse(safetensors_file("{}       ")) == "ok");
  CHECK(molmo_test::parse(safetensors_file("{\"__metadata__\":{}}")) == "ok");
  const std::string header = text("{", tensor("scalar", "F64", "[]", 0, 8), ",", tensor("none", "F32", "[0]", 8, 8),
                                  ",", tensor("none2", "U8", "[3,0,5]", 0, 0), ",", tensor("last", "I8", "[1]", 8, 9),
                                  ",", tensor("after", "F16", "[0]", 9, 9), "}   ");
  const std::string file = safetensors_file(header, "123456789");
  const result<SafeTensors> r = SafeTensors::parse(as_bytes(file), "file");
  REQUIRE(r);
  CHECK(r->find("scalar")->shape.empty());
  CHECK(r->find("scalar")->elements() == 1);
  CHECK(r->find("none")->elements() == 0);
  CHECK(r->find("none2")->bytes.empty());
  CHECK(shape_text(r->find("none2")->shape) == "[3, 0, 5]");
  CHECK(r->find("last")->bytes[0] == std::byte{'9'});
}

TEST_CASE("safetensors: a table stays valid when it is moved", "[safetensors]") {
  const std::string file = safetensors_file(one(tensor("x", "U8", "[1]", 0, 1)), "7");
  result<SafeTensors> r = SafeTensors::parse(as_bytes(file), "file");
  REQUIRE(r);
  const SafeTensors moved = std::move(*r);
  REQUIRE(moved.find("x"));
  CHECK(moved.find("x")->shape[0] == 1);
}

TEST_CASE("safetensors files of 0 to 7 bytes", "[safetensors][hostile]") {
  for (std::size_t n = 0; n < 8; ++n) refused(std::string(n, '\0'), "not a safetensors file");
}

TEST_CASE("lengths of the header that lie", "[safetensors][hostile]") {
  refused(length_of_header(0), "does not begin with '{'");
  refused(length_of_header(0) + "{}", "does not begin with '{'");
  refused(length_of_header(1) + "{", "not valid JSON");
  refused(length_of_header(1) + "{}", "not valid JSON");
  refused(length_of_header(std::uint64_t{1} << 63) + "{}", "claims 9223372036854775808 bytes");
  refused(length_of_header(std::numeric_limits<std::uint64_t>::max()) + "{}", "claims 18446744073709551615 bytes");
  refused(length_of_header(std::numeric_limits<std::uint64_t>::max() - 7) + "{}", "claims");  // 8 + N wraps to 0
  refused(length_of_header(3) + "{}", "is it truncated?");
  refused(length_of_header(11) + "{}", "is it truncated?");  // the size of the whole file plus one
}

TEST_CASE("large headers and many tensors", "[safetensors][hostile]") {
  refused(length_of_header(100'000'001) + "{}", "more than the 100000000 allowed");
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) header += text(i ? "," : "", tensor(text("t", i), "F32", "[0]", 0, 0));
  const std::string many = safetensors_file(header + "}");
  CHECK(molmo_test::within_a_second([&] { return molmo_test::parse(many); }) == "ok");
  molmo_test::within_memory(2 * many.size() + (16u << 20), [&] { (void)molmo_test::parse(many); });
  SafeTensorsLimits few;
  few.max_tensors = 99'999;
  CHECK_FALSE(SafeTensors::parse(as_bytes(many), "file", few));
  const std::string spaces = safetensors_file("{}" + std::string(20'000'000, ' '));
  CHECK(molmo_test::within_a_second([&] { return molmo_test::parse(spaces); }) == "ok");
  const std::string word = safetensors_file("{\"" + std::string(90'000'000, 'x'));
  refused(word, "longer than");
  molmo_test::within_memory(16u << 20, [&] { (void)molmo_test::parse(word); });
}

TEST_CASE("headers that are not one JSON object", "[safetensors][hostile]") {
  header_refused("[]", "does not begin with '{'");
  header_refused(" {}", "does not begin with '{'");
  header_refused("\xef\xbb\xbf{}", "does not begin with '{'");
  header_refused("\0{}"sv, "does not begin with '{'");
  header_refused("{}\0"sv, "NUL");
  header_refused("{}\0\0\0\0"sv, "NUL");
  header_refused("{} x", "not valid JSON");
  header_refused("{}{}", "not valid JSON");
  header_refused("{", "not valid JSON");
  header_refused(one(tensor("\xff\xfe", "U8", "[0]", 0, 0)), "not valid JSON");
  header_refused(one(tensor("\\ud800", "U8", "[0]", 0, 0)), "not valid JSON");
  header_refused("{\"a\":" + std::string(1'000'000, '['), "nested deeper than");
  header_refused("{\"a\":" + std::string(1'000'000, '{'), "nested deeper than");
  header_refused("{\"a\":[]}", "array where none belongs");
  header_refused("{\"a\":7}", "a number");
  header_refused("{\"a\":null}", "null");
  header_refused("{\"a\":\"F32\"}", "a string");
  header_refused("{\"a\":true}", "true or false");
}

TEST_CASE("names and fields twice, missing, unknown or of the wrong kind", "[safetensors][hostile]") {
  header_refused(text("{", tensor("a", "U8", "[0]", 0, 0), ",", tensor("a", "U8", "[0]", 0, 0), "}"),
                 "'a' stands twice");
  header_refused(text("{", tensor("a", "U8", "[0]", 0, 0), ",", tensor("\\u0061", "U8", "[0]", 0, 0), "}"),
                 "'a' stands twice");
  header_refused("{\"__metadata__\":{},\"__metadata__\":{}}", "stands twice");
  header_refused(R"({"t":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", "'dtype' stands twice");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}})", "'shape' stands twice");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"data_offsets":[0,0]}})",
                 "'data_offsets' stands twice");
  header_refused(R"({"t":{"shape":[0],"data_offsets":[0,0]}})", "tensor 't' has no dtype");
  header_refused(R"({"t":{"dtype":"U8","data_offsets":[0,0]}})", "tensor 't' has no shape");
  header_refused(R"({"t":{"dtype":"U8","shape":[0]}})", "tensor 't' has no data_offsets");
  header_refused(R"({"t":{}})", "tensor 't' has no dtype");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"external":"/etc/passwd"}})",
                 "unknown field 'external'");
  header_refused(R"({"t":{"dtype":8,"shape":[0],"data_offsets":[0,0]}})", "a number where none belongs");
  header_refused(R"({"t":{"dtype":null,"shape":[0],"data_offsets":[0,0]}})", "null where none belongs");
  header_refused(R"({"t":{"dtype":["U8"],"shape":[0],"data_offsets":[0,0]}})", "an array where none belongs");
  header_refused(R"({"t":{"dtype":{},"shape":[0],"data_offsets":[0,0]}})", "an object where none belongs");
  header_refused(R"({"t":{"dtype":"U8","shape":0,"data_offsets":[0,0]}})", "a number where none belongs");
  header_refused(R"({"t":{"dtype":"U8","shape":"[0]","data_offsets":[0,0]}})", "a string where none belongs");
  header_refused(R"({"t":{"dtype":"U8","shape":["0"],"data_offsets":[0,0]}})", "a shape with a string");
  header_refused(R"({"t":{"dtype":"U8","shape":[[0]],"data_offsets":[0,0]}})", "nested deeper");
  header_refused(R"({"t":{"dtype":"U8","shape":[null],"data_offsets":[0,0]}})", "a shape with null");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":0}})", "a number where none belongs");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":{}}})", "an object where none belongs");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[]}})", "must have two data_offsets");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0]}})", "must have two data_offsets");
  header_refused(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}})", "must have two data_offsets");
  header_refused(one(tensor(std::string(5000, 'n'), "U8", "[0]", 0, 0)), "longer than 4096");
  header_refused(one(tensor("\\u001b[2J", "F33", "[0]", 0, 0)), "'\\x1b[2J'");  // no terminal escapes in messages
}

TEST_CASE("offsets that cannot be", "[safetensors][hostile]") {
  header_refused(one(tensor("t", "U8", "[1]", 2, 1)), "begins at 2 and ends before", 2);
  header_refused(one(tensor("t", "U8", "[3]", 0, 3)), "ends at byte 3 of the data, which has 2; is the file truncated?",
                 2);
  header_refused(one(tensor("t", "U8", "[0]", 9, 9)), "ends at byte 9", 2);
  const auto offsets = [](std::string_view o) {
    return text(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":)", o, "}}");
  };
  header_refused(offsets("[-1,0]"), "data_offsets with a negative number", 1);
  header_refused(offsets("[-0,1]"), "data_offsets with a negative number", 1);
  header_refused(offsets("[0,1e3]"), "no integer", 1);
  header_refused(offsets("[0.0,1]"), "no integer", 1);
  header_refused(offsets("[0,9007199254740993]"), "9007199254740993 bytes", 1);  // 2^53 + 1, exact
  header_refused(offsets("[0,18446744073709551615]"), "18446744073709551615 bytes", 1);
  header_refused(offsets("[0,18446744073709551616]"), "no integer below 2^64", 1);
  header_refused(offsets("[0,\"1\"]"), "a string", 1);
  header_refused(offsets("[18446744073709551615,0]"), "begins at 18446744073709551615 and ends before", 1);
}

TEST_CASE("overlaps, aliases, holes and bytes of nobody", "[safetensors][hostile]") {
  const auto two = [](std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
    return text("{", tensor("a", "U8", text("[", b - a, "]"), a, b), ",",
                tensor("b", "U8", text("[", d - c, "]"), c, d), "}");
  };
  header_refused(two(0, 4, 2, 6), "inside another tensor", 6);
  header_refused(two(0, 4, 0, 4), "inside another tensor", 4);
  header_refused(two(0, 4, 1, 3), "inside another tensor", 4);
  header_refused(two(0, 4, 2, 2), "inside another tensor", 4);
  header_refused(two(0, 2, 3, 4), "belong to no tensor", 4);
  header_refused(two(1, 2, 2, 4), "bytes 0 to 1 before tensor 'a'", 4);
  header_refused(two(0, 2, 2, 4), "the last 3 bytes belong to no tensor", 7);
  header_refused("{}", "the last 1 bytes belong to no tensor", 1);
}

TEST_CASE("shapes whose size overflows, rank 100000", "[safetensors][hostile]") {
  header_refused(one(tensor("t", "U8", "[4294967296,4294967296]", 0, 0)), "overflows");
  header_refused(one(tensor("t", "U8", "[4294967296,4294967297]", 0, 4294967296u)), "overflows", 1);
  header_refused(one(tensor("t", "F32", "[4611686018427387904]", 0, 0)), "overflows");
  header_refused(one(tensor("t", "F32", "[0,18446744073709551615,18446744073709551615]", 0, 0)), "overflows");
  header_refused(one(tensor("t", "U8", "[18446744073709551616]", 0, 0)), "no integer");
  header_refused(one(tensor("t", "U8", "[-1]", 0, 0)), "negative");
  header_refused(one(tensor("t", "U8", "[1.5]", 0, 0)), "no integer");
  CHECK(molmo_test::parse(safetensors_file(one(tensor("t", "U8", "[1,1,1,1,1,1,1,1]", 0, 1)), "x")) == "ok");
  header_refused(one(tensor("t", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1)), "more than 8 axes", 1);
  std::string shape = "[1";
  for (int i = 1; i < 100'000; ++i) shape += ",1";
  header_refused(one(tensor("t", "U8", shape + "]", 0, 1)), "more than 8 axes", 1);
}

TEST_CASE("bytes that are not shape times dtype, unknown dtypes", "[safetensors][hostile]") {
  header_refused(one(tensor("t", "F32", "[2]", 0, 4)), "has 4 bytes, but its shape [2] of F32 needs 8", 4);
  header_refused(one(tensor("t", "F32", "[]", 0, 2)), "needs 4", 2);
  header_refused(one(tensor("t", "F32", "[0]", 0, 4)), "needs 0", 4);
  header_refused(one(tensor("t", "F33", "[1]", 0, 4)), "tensor 't' has the unknown dtype 'F33'", 4);
  header_refused(one(tensor("t", "f32", "[1]", 0, 4)), "unknown dtype", 4);
  header_refused(one(tensor("t", "", "[1]", 0, 4)), "unknown dtype", 4);
  for (const std::string_view d : {"F4"sv, "F8_E8M0"sv, "F6_E2M3"sv, "F6_E3M2"sv}) {
    const std::string file = safetensors_file(one(tensor("t", d, "[3]", 0, 2)), "xx");
    const result<SafeTensors> r = SafeTensors::parse(as_bytes(file), "file");
    REQUIRE_FALSE(r);
    CHECK(r.error().code == errc::unsupported);
    CHECK(r.error().message.find("which this version cannot read") != std::string::npos);
  }
}

TEST_CASE("misaligned tensors are handed out as bytes", "[safetensors][hostile]") {
  for (std::size_t padding = 0; padding < 8; ++padding) {
    std::string data(8, '\0');
    const float values[2] = {1.5f, -2.0f};
    std::memcpy(data.data(), values, 8);
    const std::string file = safetensors_file(one(tensor("t", "F32", "[2]", 0, 8)) + std::string(padding, ' '), data);
    const result<SafeTensors> r = SafeTensors::parse(as_bytes(file), "file");
    REQUIRE(r);
    float got[2];
    std::memcpy(got, r->find("t")->bytes.data(), 8);
    CHECK(got[0] == 1.5f);
    CHECK(got[1] == -2.0f);
  }
}

TEST_CASE("metadata that is not strings, or huge", "[safetensors][hostile]") {
  for (const std::string_view bad : {"1"sv, "null"sv, "true"sv, "[]"sv, "{}"sv, "-1"sv, "1.5"sv})
    header_refused(text("{\"__metadata__\":{\"a\":", bad, "}}"), "__metadata__ holds something that is not a string");
  header_refused("{\"__metadata__\":[]}", "array where none belongs");
  header_refused("{\"__metadata__\":\"x\"}", "a string where none belongs");
  header_refused("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "'a' stands twice");
  header_refused(text("{\"__metadata__\":{\"a\":\"", std::string(5u << 20, 'x'), "\"}}"), "longer than");
  std::string header = "{\"__metadata__\":{";
  for (int i = 0; i < 50; ++i) header += text(i ? "," : "", "\"k", i, "\":\"", std::string(100'000, 'x'), "\"");
  const std::string file = safetensors_file(header + "}}");
  refused(file, "__metadata__ is larger than");
  molmo_test::within_memory(2 * file.size() + (16u << 20), [&] { (void)molmo_test::parse(file); });
}

TEST_CASE("every truncation of a good file is refused", "[safetensors][hostile]") {
  const std::string file = safetensors_file(
      text("{", tensor("a", "F32", "[2]", 0, 8), ",", tensor("b", "U8", "[3]", 8, 11), "}"), "12345678abc");
  REQUIRE(molmo_test::parse(file) == "ok");
  for (std::size_t n = 0; n < file.size(); ++n) CHECK(molmo_test::parse(std::string_view(file).substr(0, n)) != "ok");
  refused(file + "x", "the last 1 bytes belong to no tensor");
}

TEST_CASE("safetensors: a flipped byte of the header never gives tensors outside of the file",
          "[safetensors][hostile]") {
  const std::string good = safetensors_file(
      text("{", tensor("a", "F32", "[2]", 0, 8), ",", tensor("b", "U8", "[3]", 8, 11), "}"), "12345678abc");
  const std::size_t header = good.size() - 11;
  for (std::size_t i = 0; i < header; ++i)
    for (unsigned value = 0; value < 256; ++value) {
      std::string file = good;
      file[i] = static_cast<char>(value);
      const result<SafeTensors> r = SafeTensors::parse(as_bytes(file), "file");
      if (!r) continue;
      const std::byte *begin = as_bytes(file).data(), *end = begin + file.size();
      for (const TensorInfo& t : r->tensors()) {
        const bool inside = t.bytes.data() >= begin && t.bytes.data() + t.bytes.size() <= end;
        if (!inside) FAIL("byte " << i << " = " << value << " gives a tensor outside of the file");
      }
    }
  CHECK(header > 100);
}

TEST_CASE("safetensors: what is written is read back", "[safetensors][write]") {
  const molmo_test::TemporaryFolder folder;
  const std::string path = folder / "out.safetensors";
  const std::uint64_t matrix[] = {2, 2}, odd[] = {3}, none[] = {0, 7};
  const float f[4] = {1, 2, 3, 4};
  const std::vector<std::pair<std::string, std::string>> metadata{{"format", "pt"}, {"quote\"\\", "line\nbreak\x01"}};
  const std::vector<TensorInfo> tensors{{"odd \"name\"", DType::bf16, odd, as_bytes("abcdef"sv)},
                                        {"matrix", DType::f32, matrix, std::as_bytes(std::span(f))},
                                        {"none", DType::f64, none, {}},
                                        {"scalar", DType::u8, {}, as_bytes("z"sv)}};
  REQUIRE(write_safetensors(path, tensors, {.metadata = metadata}));
  const result<MappedFile> file = MappedFile::open(path);
  REQUIRE(file);
  const result<SafeTensors> r = SafeTensors::parse(file->bytes(), "file");
  REQUIRE(r);
  CHECK(r->tensors().size() == 4);
  for (const TensorInfo& t : tensors) {
    const TensorInfo* got = r->find(t.name);
    REQUIRE(got);
    CHECK(got->dtype == t.dtype);
    CHECK(shape_text(got->shape) == shape_text(t.shape));
    CHECK(std::string_view(reinterpret_cast<const char*>(got->bytes.data()), got->bytes.size()) ==
          std::string_view(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()));
    CHECK(reinterpret_cast<std::uintptr_t>(got->bytes.data()) % bytes_per_element(got->dtype) == 0);
  }
  CHECK(std::vector(r->metadata().begin(), r->metadata().end()) == metadata);

  const status again = write_safetensors(path, tensors);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == errc::io);
  REQUIRE(write_safetensors(path, std::span(tensors).first(1), {.overwrite = true}));
  CHECK(SafeTensors::parse(file->bytes(), "old").has_value());  // the mapped one is the old one still
  CHECK_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_CASE("safetensors: what contradicts itself is not written", "[safetensors][write]") {
  const molmo_test::TemporaryFolder folder;
  const std::uint64_t three[] = {3};
  const auto attempt = [&](std::vector<TensorInfo> tensors) {
    const status s = write_safetensors(folder / "out", tensors);
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
    return s ? "ok" : s.error().message;
  };
  CHECK(attempt({{"a", DType::f32, three, as_bytes("abc"sv)}}).find("needs 12") != std::string::npos);
  CHECK(attempt({{"a", DType::u8, three, as_bytes("abc"sv)}, {"a", DType::u8, three, as_bytes("abc"sv)}})
            .find("stands twice") != std::string::npos);
  CHECK(attempt({{"\xff", DType::u8, three, as_bytes("abc"sv)}}).find("not valid JSON") != std::string::npos);
  CHECK(attempt({{"__metadata__", DType::u8, three, as_bytes("abc"sv)}}).find("__metadata__") != std::string::npos);
  const status s = write_safetensors(folder / "no/such/folder", {});
  CHECK_FALSE(s);
}

TEST_CASE("writer: pieces in any order make the file that write_safetensors makes", "[safetensors]") {
  const molmo_test::TemporaryFolder folder;
  // Sizes that keep an alignment of 64, 32, 4, 2 and 1 bytes.
  const std::vector<PlannedTensor> plan{{"odd", DType::u8, {5}}, {"row", DType::bf16, {3}}, {"norm", DType::f32, {3, 1}},
                                        {"scale", DType::f16, {16}}, {"codes", DType::i8, {2, 64}}, {"none", DType::f32, {0}}};
  std::vector<std::vector<std::byte>> bytes;
  std::vector<TensorInfo> infos;
  for (const PlannedTensor& t : plan) {
    bytes.emplace_back(static_cast<std::size_t>(t.bytes()));
    for (std::size_t i = 0; i < bytes.back().size(); ++i) bytes.back()[i] = static_cast<std::byte>(17 * bytes.size() + i);
  }
  for (std::size_t i = 0; i < plan.size(); ++i) infos.push_back({plan[i].name, plan[i].dtype, plan[i].shape, bytes[i]});
  const std::pair<std::string, std::string> about[] = {{"made", "by \"hand\""}};
  REQUIRE(write_safetensors(folder / "whole", infos, {.metadata = about}));

  auto w = SafeTensorsWriter::create(folder / "pieces", plan, about);
  REQUIRE(w);
  CHECK(w->data_bytes() == 128 + 32 + 12 + 6 + 5);
  for (std::size_t i = plan.size(); i-- > 0;)
    for (std::size_t end = bytes[i].size(); end > 0;) {
      const std::size_t begin = end > 7 ? end - 7 : 0;
      REQUIRE(w->write(i, begin, std::span(bytes[i]).subspan(begin, end - begin)));
      end = begin;
    }
  CHECK(!std::filesystem::exists(folder / "pieces"));
  REQUIRE(w->finish());
  CHECK(!std::filesystem::exists(folder / "pieces.part"));
  const auto whole = MappedFile::open(folder / "whole"), pieces = MappedFile::open(folder / "pieces");
  REQUIRE((whole && pieces));
  CHECK(whole->chars() == pieces->chars());

  const auto table = SafeTensors::parse(pieces->bytes(), "pieces");
  REQUIRE(table);
  for (const TensorInfo& t : table->tensors()) {
    const auto at = static_cast<std::uint64_t>(t.bytes.data() - pieces->bytes().data());
    CAPTURE(std::string(t.name), at);
    CHECK(at % bytes_per_element(t.dtype) == 0);
    if (t.name == "codes") CHECK(at % 64 == 0);
    if (t.name == "scale") CHECK(at % 32 == 0);
  }
}

TEST_CASE("writer: what is not finished is gone, and nothing is overwritten", "[safetensors]") {
  const molmo_test::TemporaryFolder folder;
  const std::vector<PlannedTensor> plan{{"a", DType::u8, {4}}};
  const std::byte four[4] = {};
  {
    auto w = SafeTensorsWriter::create(folder / "file", plan);
    REQUIRE(w);
    CHECK(std::filesystem::exists(folder / "file.part"));
    CHECK(!w->write(1, 0, four));
    CHECK(!w->write(0, 1, four));
    CHECK(!w->write(0, 5, {}));
    CHECK(!w->finish());  // four bytes are missing
    auto moved = std::move(*w);
    REQUIRE(moved.write(0, 0, four));
    CHECK(!SafeTensorsWriter::create(folder / "file", plan));  // its part is there
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  folder.write("file", "something else");
  const auto exists = SafeTensorsWriter::create(folder / "file", plan);
  REQUIRE(!exists);
  CHECK(exists.error().code == errc::io);
  CHECK(!std::filesystem::exists(folder / "file.part"));
  CHECK(!SafeTensorsWriter::create(folder / "no/such/folder", plan));
  const auto twice = SafeTensorsWriter::create(folder / "new", {{"a", DType::u8, {4}}, {"a", DType::u8, {4}}});
  REQUIRE(!twice);
  CHECK(twice.error().code == errc::invalid_argument);
  CHECK(!SafeTensorsWriter::create(folder / "new", {{"a", DType::f32, {std::uint64_t{1} << 40, std::uint64_t{1} << 40}}}));
  CHECK(!std::filesystem::exists(folder / "new.part"));
}
