// SPDX-License-Identifier: Apache-2.0
// json::parse(text) -> json::Value: the whole text as a tree, for files of the size of config.json.
//
// Larger files (tokenizer.json, safetensors headers, shard indices) are streamed by json::parse_sax instead. A handler
// may hand part of its events to a json::Builder to get a tree of that part only.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/json_sax.hpp>
#include <molmo/io/json_value.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::json {

/// Turns events into a tree. Forward every event of one value to it; `done()` says that the value is complete.
class Builder : public Handler {
 public:
  explicit Builder(std::size_t max_values = Options{}.max_values) : room_(max_values) {}

  [[nodiscard]] bool done() const { return done_; }
  /// The tree, once done(); the builder then starts anew.
  [[nodiscard]] Value take() {
    done_ = false;
    return std::move(root_);
  }

  bool null() { return add(Value()); }
  bool boolean(bool b) { return add(Value(b)); }
  bool negative(std::int64_t n) { return add(n ? Value(n) : Value::minus_zero()); }
  bool unsigned_integer(std::uint64_t n) { return add(Value(n)); }
  bool number(double x, std::string_view) { return add(Value(x)); }
  bool string(std::string& s) { return add(Value(std::move(s))); }
  bool key(std::string& k) {
    key_ = std::move(k);
    return true;
  }
  bool start_object() { return open(Value::object()); }
  bool end_object() { return close(); }
  bool start_array() { return open(Value::array()); }
  bool end_array() { return close(); }

 private:
  struct Level {
    std::string key;  // under which the value goes into the level below
    Value value;
  };

  bool room() {
    return room_ > 0 ? (--room_, true) : refuse(errc::format, "too many JSON values for a file of this kind");
  }
  bool add(Value v) { return room() && (attach(std::move(key_), std::move(v)), true); }
  bool open(Value v) {
    if (!room()) return false;
    levels_.push_back({std::move(key_), std::move(v)});
    return true;
  }
  bool close() {
    Level top = std::move(levels_.back());
    levels_.pop_back();
    attach(std::move(top.key), std::move(top.value));
    return true;
  }
  void attach(std::string key, Value v) {
    if (levels_.empty()) {
      root_ = std::move(v);
      done_ = true;
    } else {
      levels_.back().value.append(std::move(key), std::move(v));
    }
  }

  std::vector<Level> levels_;
  std::string key_;
  Value root_;
  std::size_t room_;
  bool done_ = false;
};

/// The text as a tree, or an error that says what is wrong and at which byte.
[[nodiscard]] inline result<Value> parse(std::string_view json, const Options& options = {}) {
  return without_bad_alloc("reading JSON", [&]() -> result<Value> {
    Builder builder(options.max_values);
    if (status s = parse_sax(json, builder, options); !s) {
      molmo::error e = s.error();
      if (!e.message.starts_with(options.source)) e.message = text(options.source, ": ", e.message);
      return fail(std::move(e));
    }
    return builder.take();
  });
}

}  // namespace molmo::inline v0::json
