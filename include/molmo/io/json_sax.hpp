// SPDX-License-Identifier: Apache-2.0
// json::parse_sax(text, handler, options): strict JSON as a stream of events; nothing is kept, so 100 MB cost no tree.
//
//   struct Counter : json::Handler {            // override by hiding; no virtual calls; what is left out is ignored
//     std::size_t strings = 0;
//     bool string(std::string&) { ++strings; return true; }   // may move from the string; false stops the parse ...
//     bool key(std::string& k) { return k != "bad" || refuse(errc::format, "a bad key"); }   // ... with this error
//   };
//   Counter c;  status s = json::parse_sax(text, c, {.source = "tokenizer.json", .max_bytes = 64u << 20});
// Refused, with the place: a byte order mark, NUL bytes, invalid UTF-8, lone surrogates, trailing bytes, NaN and
// infinities, numbers beyond double, duplicate keys (compared after unescaping), and whatever exceeds the limits. Works
// without exceptions. Events arrive before the text is known to be valid to its end: use what they built only when
// parse_sax returned success. The grammar is nlohmann/json's; this header and nothing else includes it.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/flat_hash.hpp>
#include <molmo/io/printable.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::json {

/// Limits of a parse, checked before any event; `source` is the file's name in messages.
struct Options {
  std::string_view source = "JSON";
  std::size_t max_bytes = std::size_t{1} << 20;   ///< of the whole text
  std::size_t max_depth = 64;                     ///< of nested arrays and objects
  std::size_t max_string = std::size_t{1} << 20;  ///< bytes of one string as written, and of one key
  std::size_t max_values = 50'000;                ///< nodes of the tree that json::parse makes; parse_sax ignores it
};

/// Base of event handlers: every event ignored. Derive and define those you need with the same signature.
struct Handler {
  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool negative(std::int64_t) { return true; }           ///< an integer written with a minus sign; 0 is "-0"
  bool unsigned_integer(std::uint64_t) { return true; }  ///< any other integer below 2^64, exact
  bool number(double, std::string_view /*as written*/) {
    return true;
  }  ///< any other number, integers beyond 64 bits included
  bool string(std::string&) { return true; }
  bool start_object() { return true; }
  bool key(std::string&) { return true; }
  bool end_object() { return true; }
  bool start_array() { return true; }
  bool end_array() { return true; }

  /// `return refuse(...)` from any event ends the parse with this error.
  bool refuse(errc code, std::string message) {
    stop_reason = {code, std::move(message)};
    return false;
  }
  molmo::error stop_reason{errc::format, "refused by the reader"};
};

namespace detail {

/// The keys of one object, as pairs of 61-bit hashes: duplicates are found at once and no key is copied. Two different
/// keys with one pair would be refused as duplicates, never the other way round; 2^-78 for a million keys, whatever
/// they are.
class KeySet {
 public:
  using Seeds = std::array<HashSeed, 2>;

  explicit KeySet(const Seeds& seeds) : seeds_(seeds), table_(seeds[0]) {}

  enum class Inserted : std::uint8_t { yes, was_there, refused };
  Inserted insert(std::string_view key) {
    const auto at = table_.insert(
        {seeds_[0].polynomial(key) | full, seeds_[1].polynomial(key)},
        [](const Hash& h, const HashSeed& seed) { return seed.of(h.a); },
        [](const Hash& there, const Hash& wanted) { return there.a == wanted.a && there.b == wanted.b; });
    return !at.slot ? Inserted::refused : at.fresh ? Inserted::yes : Inserted::was_there;
  }
  void clear() { table_.clear(); }
  [[nodiscard]] std::size_t longest() const { return table_.longest(); }

 private:
  static constexpr std::uint64_t full = std::uint64_t{1} << 63;
  struct Hash {
    std::uint64_t a = 0, b = 0;
    [[nodiscard]] bool empty() const { return a == 0; }
    void remember(std::uint64_t) {}
  };
  Seeds seeds_;
  FlatHash<Hash> table_;
};

/// Everything that can be refused in one linear pass before the parser proper allocates anything: size, byte order mark
/// (nlohmann/json skips it), NUL (it takes it for the end), nesting, and the length of every token.
[[nodiscard]] inline status check_limits(std::string_view json, const Options& o) {
  constexpr std::size_t longest_number = 512;  // of digits; also literals
  if (json.size() > o.max_bytes)
    return fail(errc::format, text(o.source, ": ", json.size(), " bytes of JSON exceed the limit of ", o.max_bytes));
  if (json.starts_with("\xef\xbb\xbf"))
    return fail(errc::format, text(o.source, ": begins with a byte order mark; save it as plain UTF-8"));
  std::size_t depth = 0, token = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '\0') return fail(errc::format, text(o.source, ": NUL byte at ", i));
    if (in_string) {
      if (c == '"') {
        in_string = false;
        token = 0;
      } else if (++token > o.max_string) {
        return fail(errc::format,
                    text(o.source, ": the string at byte ", i - token, " is longer than ", o.max_string, " bytes"));
      } else if (c == '\\' && i + 1 < json.size() && json[i + 1] != '\0') {
        ++i, ++token;
      }
      continue;
    }
    switch (c) {
      case '"':
        in_string = true;
        token = 0;
        break;
      case '{':
      case '[':
        token = 0;
        if (++depth > o.max_depth)
          return fail(errc::format, text(o.source, ": nested deeper than ", o.max_depth, " levels at byte ", i));
        break;
      case '}':
      case ']':
        if (depth > 0) --depth;  // an excess is a syntax error, found later
        token = 0;
        break;
      case ' ':
      case '\t':
      case '\r':
      case '\n':
      case ',':
      case ':':
        token = 0;
        break;
      default:
        if (++token > longest_number)
          return fail(errc::format, text(o.source, ": an endless number or word at byte ", i));
    }
  }
  return {};
}

/// nlohmann/json's SAX events, with duplicate keys refused, as those of our Handler.
template <class H>
struct Adapter {
  H& handler;
  const Options& options;
  KeySet::Seeds seeds = [] {
    const HashSeed fresh = HashSeed::fresh();
    return KeySet::Seeds{fresh, fresh.next()};
  }();
  std::vector<KeySet> keys{};  // one per depth, reused
  std::size_t depth = 0;
  bool failed_here = false;
  molmo::error problem{};

  bool null() { return handler.null(); }
  bool boolean(bool b) { return handler.boolean(b); }
  bool number_integer(std::int64_t n) { return handler.negative(n); }
  bool number_unsigned(std::uint64_t n) { return handler.unsigned_integer(n); }
  bool number_float(double x, const std::string& written) { return handler.number(x, written); }
  bool string(std::string& s) { return handler.string(s); }
  bool binary(nlohmann::json::binary_t&) { return false; }  // no such thing in text
  bool start_object(std::size_t) {
    if (keys.size() < ++depth) keys.emplace_back(seeds);
    keys[depth - 1].clear();
    return handler.start_object();
  }
  bool key(std::string& k) {
    const auto inserted = keys[depth - 1].insert(k);
    if (inserted == KeySet::Inserted::was_there)
      return refuse(text(options.source, ": the key ", in_quotes(k), " stands twice in one object"));
    if (inserted == KeySet::Inserted::refused)
      return refuse(text(options.source, ": an object's keys collide in every hash table that was tried"));
    return handler.key(k);
  }
  bool end_object() {
    --depth;
    return handler.end_object();
  }
  bool start_array(std::size_t) {
    if (keys.size() < ++depth) keys.emplace_back(seeds);
    return handler.start_array();
  }
  bool end_array() {
    --depth;
    return handler.end_array();
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) {
    // "... syntax error while parsing value - invalid literal; last read: '...'": the middle, without the file's own
    // bytes
    std::string_view what = e.what();
    if (const auto at = what.find("syntax error "); at != what.npos) what.remove_prefix(at + 13);
    if (what.starts_with("[json.")) what = "a number beyond the range of double";
    what = what.substr(0, what.find("; last read"));
    return refuse(text(options.source, ": not valid JSON at byte ", position, ": ", what.substr(0, 200)));
  }
  bool refuse(std::string message) {
    failed_here = true;
    problem = {errc::format, std::move(message)};
    return false;
  }
};

}  // namespace detail

/// Reads `json` as exactly one JSON value and sends its events to `handler`. The error is the text's or the handler's
/// own.
template <class H>
[[nodiscard]] status parse_sax(std::string_view json, H& handler, const Options& options = {}) {
  if (status s = detail::check_limits(json, options); !s) return s;
  detail::Adapter<H> adapter{handler, options};
  if (nlohmann::json::sax_parse(json.data(), json.data() + json.size(), &adapter)) return {};
  if (adapter.failed_here) return fail(std::move(adapter.problem));
  return fail(handler.stop_reason);
}

}  // namespace molmo::inline v0::json
