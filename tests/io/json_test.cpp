// SPDX-License-Identifier: Apache-2.0
// JSON as we accept it: strict, bounded, exact integers, and messages that name the place.
#include "io/hostile.hpp"
#include "support/catch.hpp"

#include <molmo/io/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace molmo;

namespace {

std::string outcome(std::string_view json, const json::Options& options = {}) {
  const result<json::Value> r = json::parse(json, options);
  return r ? "ok" : r.error().message;
}

bool refused(std::string_view json, std::string_view reason, const json::Options& options = {}) {
  const std::string got = outcome(json, options);
  CAPTURE(json.substr(0, 80), got);
  CHECK(got != "ok");
  CHECK(got.size() < 500);  // one sentence, whatever the input was
  CHECK(got.find(reason) != got.npos);
  return got != "ok";
}

/// Everything that was heard, as text.
struct Recorder : json::Handler {
  std::string heard;
  bool null() { return heard += "null ", true; }
  bool boolean(bool b) { return heard += b ? "true " : "false ", true; }
  bool negative(std::int64_t n) { return heard += text("i", n, " "), true; }
  bool unsigned_integer(std::uint64_t n) { return heard += text("u", n, " "), true; }
  bool number(double, std::string_view written) { return heard += text("f", written, " "), true; }
  bool string(std::string& s) { return heard += text("'", s, "' "), true; }
  bool start_object() { return heard += "{ ", true; }
  bool key(std::string& k) { return heard += text(k, ": "), true; }
  bool end_object() { return heard += "} ", true; }
  bool start_array() { return heard += "[ ", true; }
  bool end_array() { return heard += "] ", true; }
};

}  // namespace

TEST_CASE("json: events arrive in order, integers exact", "[json]") {
  Recorder r;
  REQUIRE(json::parse_sax(
      R"( {"a": [1, -2, 18446744073709551615, -9223372036854775808, 1.50, -0, 1e3, 18446744073709551616],
                              "b": {"c": null, "d": true, "e": false}, "\u00e9\ud83d\ude00": "x\ny"} )",
      r));
  CHECK(r.heard ==
        "{ a: [ u1 i-2 u18446744073709551615 i-9223372036854775808 f1.50 i0 f1e3 f18446744073709551616 ] "
        "b: { c: null d: true e: false } \xc3\xa9\xf0\x9f\x98\x80: 'x\ny' } ");
}

TEST_CASE("json: a handler stops the parse with its own error", "[json]") {
  struct Picky : json::Handler {
    bool key(std::string& k) { return k != "bad" || refuse(errc::unsupported, "no bad keys"); }
  } picky;
  const status s = json::parse_sax(R"({"good": 1, "bad": 2})", picky);
  REQUIRE_FALSE(s);
  CHECK(s.error().code == errc::unsupported);
  CHECK(s.error().message == "no bad keys");
}

TEST_CASE("json: what is not strict JSON is refused with its place", "[json]") {
  CHECK(refused("", "at byte"));
  CHECK(refused("{", "at byte"));
  CHECK(refused("[1,]", "at byte"));
  CHECK(refused("{\"a\":1,}", "at byte"));
  CHECK(refused("{'a':1}", "at byte"));
  CHECK(refused("[1] x", "at byte"));
  CHECK(refused("1 2", "at byte"));
  CHECK(refused("// c\n1", "at byte"));
  CHECK(refused("NaN", "at byte"));
  CHECK(refused("[Infinity]", "at byte"));
  CHECK(refused("-Infinity", "at byte"));
  CHECK(refused("01", "at byte"));
  CHECK(refused("+1", "at byte"));
  CHECK(refused(".5", "at byte"));
  CHECK(refused("1.", "at byte"));
  CHECK(refused("0x10", "at byte"));
  CHECK(refused("1e400", "range of double"));
  CHECK(refused("tru", "at byte"));
  CHECK(refused("\"a\nb\"", "at byte"));
  CHECK(refused("\"\\x41\"", "at byte"));
  CHECK(refused("\"\\", "at byte"));
  CHECK(refused("]", "at byte"));
  CHECK(refused("[}", "at byte"));
  CHECK(outcome("1", {.source = "config.json"}) == "ok");
  CHECK(outcome("x", {.source = "config.json"}).starts_with("config.json: not valid JSON at byte 1"));
}

TEST_CASE("json: encoding: byte order mark, NUL, invalid UTF-8, lone surrogates", "[json]") {
  using namespace std::string_view_literals;
  CHECK(refused("\xef\xbb\xbf{}", "byte order mark"));
  CHECK(refused("{}\0garbage"sv, "NUL byte at 2"));
  CHECK(refused("\"a\0b\""sv, "NUL byte at 2"));
  CHECK(refused("\"\\\0\""sv, "NUL byte at 2"));
  CHECK(refused("\"\xff\"", "at byte"));
  CHECK(refused("\"\xc0\xaf\"", "at byte"));          // overlong
  CHECK(refused("\"\xed\xa0\x80\"", "at byte"));      // a surrogate
  CHECK(refused("\"\xf4\x90\x80\x80\"", "at byte"));  // beyond U+10FFFF
  CHECK(refused("\"\xe2\x82\"", "at byte"));
  CHECK(refused("\"\\ud800\"", "at byte"));
  CHECK(refused("\"\\udc00\"", "at byte"));
  CHECK(refused("\"\\ud800\\u0041\"", "at byte"));
  CHECK(outcome("\"\\u0000\"") == "ok");  // an escaped NUL is a character of a string
}

TEST_CASE("json: duplicate keys, compared after unescaping", "[json]") {
  CHECK(refused(R"({"a":1,"a":2})", "'a' stands twice"));
  CHECK(refused(R"({"a":1,"\u0061":2})", "'a' stands twice"));
  CHECK(refused(R"([{"x":{"k":1,"l":2,"k":3}}])", "'k' stands twice"));
  CHECK(refused(R"({"":1,"":2})", "'' stands twice"));
  CHECK(outcome(R"([{"a":1},{"a":2},{"a":{"a":{"a":3}}}])") == "ok");
  CHECK(outcome(R"({"a":{"b":1},"b":{"a":1},"c":[{"a":1},{"a":1}]})") == "ok");
  std::string many = "{";
  for (int i = 0; i < 3000; ++i) many += text("\"key", i, "\":0,");
  CHECK(outcome(many + "\"z\":0}") == "ok");
  CHECK(refused(many + "\"key1234\":0}", "'key1234' stands twice"));
}

TEST_CASE("json: hostile keys do not get into messages", "[json]") {
  const std::string escape = "\\u001b[31m";
  CHECK(refused(text("{\"", escape, "\":1,\"", escape, "\":2}"), "'\\x1b[31m' stands twice"));
  const std::string long_key(100'000, 'k');
  CHECK(refused(text("{\"", long_key, "\":1,\"", long_key, "\":2}"), "...' stands twice"));
}

TEST_CASE("json: limits are checked before anything is built", "[json]") {
  CHECK(refused("[1,2,3]", "exceed the limit of 6", {.max_bytes = 6}));
  CHECK(outcome(std::string(64, '[') + std::string(64, ']')) == "ok");
  CHECK(refused(std::string(65, '[') + std::string(65, ']'), "deeper than 64"));
  CHECK(refused(text("\"", std::string(101, 'x'), "\""), "longer than 100", {.max_string = 100}));
  CHECK(outcome(text("\"", std::string(100, 'x'), "\""), {.max_string = 100}) == "ok");
  CHECK(refused(std::string(600, '1'), "endless"));
  CHECK(refused("[1,2,3,4,5]", "too many", {.max_values = 5}));
  CHECK(outcome("[1,2,3,4]", {.max_values = 5}) == "ok");
  const std::string brackets(1'000'000, '[');
  molmo_test::within_a_second([&] { return refused(brackets, "deeper than 64"); });
  std::string values = "[";
  for (int i = 0; i < 500'000; ++i) values += "1,";
  values += "1]";
  molmo_test::within_a_second([&] { return refused(values, "too many"); });
  molmo_test::within_memory(2 * values.size() + (16u << 20), [&] { (void)outcome(values); });
}

TEST_CASE("json: many objects after one large object cost no more than their size", "[json]") {
  std::string s = "{\"large\":{";
  for (int i = 0; i < 60'000; ++i) s += text(i ? "," : "", "\"k", i, "\":0");
  s += "},\"small\":[";
  for (int i = 0; i < 60'000; ++i) s += i ? ",{\"a\":0}" : "{\"a\":0}";
  s += "]}";
  json::Handler ignore;
  CHECK(molmo_test::within_a_second([&] { return json::parse_sax(s, ignore, {.max_bytes = 1u << 24}).has_value(); }));
}

TEST_CASE("json: typed getters check and name the field", "[json]") {
  const result<json::Value> parsed =
      json::parse(R"({"n": 5, "neg": -5, "zero": -0, "big": 18446744073709551615, "huge": 18446744073709551616,
      "float": 5.0, "exp": 1e3, "x": 0.5, "yes": true, "s": "text", "none": null, "list": [1, 2], "o": {"p": 1}})");
  REQUIRE(parsed);
  const json::Value& v = *parsed;
  const auto integer = [&](std::string_view name) {
    const result<std::int64_t> r = v.integer(name, -10, 10);
    return r ? text(*r) : r.error().message;
  };
  CHECK(integer("n") == "5");
  CHECK(integer("neg") == "-5");
  CHECK(integer("zero") == "0");
  CHECK(integer("big") == "field 'big' must be an integer from -10 to 10, but is 18446744073709551615");
  CHECK(integer("huge").find("must be an integer") != std::string::npos);
  CHECK(integer("float") == "field 'float' must be an integer from -10 to 10, but is 5.0");
  CHECK(integer("exp") == "field 'exp' must be an integer from -10 to 10, but is 1000.0");
  CHECK(integer("yes") == "field 'yes' must be an integer from -10 to 10, but is true");
  CHECK(integer("s") == "field 's' must be an integer from -10 to 10, but is the string 'text'");
  CHECK(integer("list") == "field 'list' must be an integer from -10 to 10, but is an array of 2");
  CHECK(integer("o") == "field 'o' must be an integer from -10 to 10, but is an object");
  CHECK(integer("none") == "field 'none' is missing");
  CHECK(integer("gone") == "field 'gone' is missing");
  CHECK_FALSE(v.integer("big", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));

  CHECK(*v.number("x", 0, 1) == 0.5);
  CHECK(*v.number("neg", -10, 10) == -5.0);
  CHECK(*v.number("huge", 0, 1e30) == 18446744073709551616.0);
  CHECK(v.number("x", 1, 2).error().message == "field 'x' must be a number from 1 to 2, but is 0.5");
  CHECK_FALSE(v.number("s", 0, 1));
  CHECK(*v.boolean("yes"));
  CHECK_FALSE(v.boolean("n"));
  CHECK(*v.string("s") == "text");
  CHECK_FALSE(v.string("n"));
  CHECK(v.find("none")->is_null());
  CHECK(v.present("none") == nullptr);
  CHECK(v.find("list")->size() == 2);
  CHECK((*v.find("list"))[1].as_integer("list", 0, 9).has_value());
  CHECK((*v.find("list"))[2].is_null());
  CHECK(v.key(0) == "n");
}

TEST_CASE("json: Fields keeps the first error", "[json]") {
  const result<json::Value> v = json::parse(R"({"a": 1, "b": "x", "c": -1})");
  REQUIRE(v);
  json::Fields f(*v, "outer.");
  CHECK(f.integer("a", 0, 9) == 1);
  CHECK(f.integer_or("missing", 0, 9, 7) == 7);
  CHECK(f.ok());
  (void)f.integer("b", 0, 9);
  (void)f.integer("c", 0, 9);
  REQUIRE_FALSE(f.ok());
  CHECK(f.error().message == "field 'outer.b' must be an integer from 0 to 9, but is the string 'x'");
  const json::Value number(std::uint64_t{3});
  CHECK(json::Fields(number).error().message == "the file must be a JSON object, but is 3");
}

TEST_CASE("json: a Builder takes one value out of a stream", "[json]") {
  struct Part : json::Handler {
    json::Builder builder{10};
    bool inside = false;
    std::vector<json::Value> found{};
    bool forward(bool ok) {
      if (builder.done()) {
        found.push_back(builder.take());
        inside = false;
      }
      return ok;
    }
    bool key(std::string& k) {
      if (inside) return forward(builder.key(k));
      return inside = k == "keep", true;
    }
    bool start_object() { return !inside || forward(builder.start_object()); }
    bool end_object() { return !inside || forward(builder.end_object()); }
    bool unsigned_integer(std::uint64_t n) { return !inside || forward(builder.unsigned_integer(n)); }
  } part;
  REQUIRE(json::parse_sax(R"({"skip": 1, "keep": {"x": {"y": 2}}, "more": {"keep": 3}})", part));
  REQUIRE(part.found.size() == 2);
  CHECK(*part.found[0].find("x")->integer("y", 0, 9) == 2);
  CHECK(*part.found[1].as_integer("keep", 0, 9) == 3);
}
