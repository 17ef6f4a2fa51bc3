// SPDX-License-Identifier: Apache-2.0
// json::Value: a small, immutable tree for files of the size of config.json, with getters that check.
//
// Includes no JSON library: code that only reads a tree (models/zoo) needs no other header; io/json.hpp makes the tree.
//   value.integer("hidden_size", 1, 1 << 20)   -> result: the field, or an error that names it and the range
//   json::Fields f(value);  c.d_model = f.integer("hidden_size", 1, 1 << 20);  if (!f.ok()) return fail(f.error());
// Integers are exact in [-2^63, 2^64); a number written 1e3 or 1.0 is none. A field that is null counts as absent.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/printable.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::json {

enum class Kind : std::uint8_t {
  null,
  boolean,
  negative,          ///< an integer written with a minus sign, -0 included
  unsigned_integer,  ///< any other integer below 2^64
  number,            ///< everything else that is a number; finite
  string,
  array,
  object,
};

/// One JSON value. Immutable once the parser has made it; copies are deep.
class Value {
 public:
  Value() = default;
  explicit Value(bool b) : kind_(Kind::boolean), integer_(b) {}
  explicit Value(std::uint64_t n) : kind_(Kind::unsigned_integer), integer_(n) {}
  explicit Value(std::int64_t n)
      : kind_(n < 0 ? Kind::negative : Kind::unsigned_integer), integer_(static_cast<std::uint64_t>(n)) {}
  explicit Value(double x) : kind_(Kind::number), number_(x) {}
  explicit Value(std::string s) : kind_(Kind::string), string_(std::move(s)) {}

  [[nodiscard]] static Value minus_zero() {
    Value v;
    v.kind_ = Kind::negative;
    return v;
  }
  [[nodiscard]] static Value array() {
    Value v;
    v.kind_ = Kind::array;
    return v;
  }
  [[nodiscard]] static Value object() {
    Value v;
    v.kind_ = Kind::object;
    return v;
  }
  /// For the parser: appends to an array (the key is ignored) or to an object, whose keys it has checked to differ.
  void append(std::string key, Value value) {
    if (kind_ == Kind::object) keys_.push_back(std::move(key));
    items_.push_back(std::move(value));
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }
  [[nodiscard]] bool is_integer() const { return kind_ == Kind::negative || kind_ == Kind::unsigned_integer; }

  /// Elements of an array or members of an object; 0 for everything else.
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  /// The i-th element or member's value; a null value where there is none.
  [[nodiscard]] const Value& operator[](std::size_t i) const { return i < items_.size() ? items_[i] : nothing(); }
  /// The i-th member's name; empty where there is none.
  [[nodiscard]] std::string_view key(std::size_t i) const { return i < keys_.size() ? std::string_view(keys_[i]) : ""; }
  /// The member of that name, null included; nullptr where there is none.
  [[nodiscard]] const Value* find(std::string_view name) const {
    for (std::size_t i = 0; i < keys_.size(); ++i)
      if (keys_[i] == name) return &items_[i];
    return nullptr;
  }
  /// As find(), but a member that is null counts as absent: how Hugging Face reads its configs.
  [[nodiscard]] const Value* present(std::string_view name) const {
    const Value* v = find(name);
    return v && !v->is_null() ? v : nullptr;
  }

  // This value as ..., with `name` for the message.

  [[nodiscard]] result<std::int64_t> as_integer(std::string_view name, std::int64_t lo, std::int64_t hi) const {
    const bool fits =
        kind_ == Kind::negative ||
        (kind_ == Kind::unsigned_integer && integer_ <= std::uint64_t{(std::numeric_limits<std::int64_t>::max)()});
    const auto n = static_cast<std::int64_t>(integer_);
    if (!fits || n < lo || n > hi) return wrong(name, text("an integer from ", lo, " to ", hi));
    return n;
  }
  /// Integers count as numbers.
  [[nodiscard]] result<double> as_number(std::string_view name, double lo, double hi) const {
    double x = number_;
    if (kind_ == Kind::negative) x = static_cast<double>(static_cast<std::int64_t>(integer_));
    if (kind_ == Kind::unsigned_integer) x = static_cast<double>(integer_);
    if (!(is_integer() || kind_ == Kind::number) || !(x >= lo && x <= hi))
      return wrong(name, text("a number from ", lo, " to ", hi));
    return x;
  }
  [[nodiscard]] result<bool> as_boolean(std::string_view name) const {
    if (kind_ != Kind::boolean) return wrong(name, "true or false");
    return integer_ != 0;
  }
  [[nodiscard]] result<std::string_view> as_string(std::string_view name) const {
    if (kind_ != Kind::string) return wrong(name, "a string");
    return std::string_view(string_);
  }

  // The member `name` of this object as ...: an error where it is absent or null.

  [[nodiscard]] result<std::int64_t> integer(std::string_view name, std::int64_t lo, std::int64_t hi) const {
    const Value* v = present(name);
    return v ? v->as_integer(name, lo, hi) : result<std::int64_t>(absent(name));
  }
  [[nodiscard]] result<double> number(std::string_view name, double lo, double hi) const {
    const Value* v = present(name);
    return v ? v->as_number(name, lo, hi) : result<double>(absent(name));
  }
  [[nodiscard]] result<bool> boolean(std::string_view name) const {
    const Value* v = present(name);
    return v ? v->as_boolean(name) : result<bool>(absent(name));
  }
  [[nodiscard]] result<std::string_view> string(std::string_view name) const {
    const Value* v = present(name);
    return v ? v->as_string(name) : result<std::string_view>(absent(name));
  }

  /// What stands there, for a message: `-5`, `"abc"`, `an array of 3`.
  [[nodiscard]] std::string describe() const {
    switch (kind_) {
      case Kind::null:
        return "null";
      case Kind::boolean:
        return text(integer_ != 0);
      case Kind::negative:
        return integer_ ? text(static_cast<std::int64_t>(integer_)) : "-0";
      case Kind::unsigned_integer:
        return text(integer_);
      case Kind::number: {
        std::string digits = text(number_);  // 1.0 becomes "1": put the point back, or the message would confuse
        return digits.find_first_not_of("-0123456789") == digits.npos ? digits + ".0" : digits;
      }
      case Kind::string:
        return text("the string ", in_quotes(string_, 60));
      case Kind::array:
        return text("an array of ", items_.size());
      case Kind::object:
        return "an object";
    }
    return "";
  }

 private:
  [[nodiscard]] failure wrong(std::string_view name, std::string_view wanted) const {
    return fail(errc::format, text("field ", in_quotes(name), " must be ", wanted, ", but is ", describe()));
  }
  [[nodiscard]] static failure absent(std::string_view name) {
    return fail(errc::format, text("field ", in_quotes(name), " is missing"));
  }
  [[nodiscard]] static const Value& nothing() {
    static const Value null_value;
    return null_value;
  }

  Kind kind_ = Kind::null;
  std::uint64_t integer_ = 0;
  double number_ = 0;
  std::string string_;
  std::vector<std::string> keys_;
  std::vector<Value> items_;
};

/// Reads many fields of one object and keeps the first error, so that a reader of configs is a list of lines.
class Fields {
 public:
  /// `object` must outlive this; `prefix` ("rope_scaling.") is put before the names in messages.
  explicit Fields(const Value& object, std::string prefix = {}) : object_(&object), prefix_(std::move(prefix)) {
    if (!object.is_object())
      refuse(errc::format, text(prefix_.empty() ? std::string_view("the file")
                                                : std::string_view(prefix_).substr(0, prefix_.size() - 1),
                                " must be a JSON object, but is ", object.describe()));
  }
  Fields(Value&&, std::string = {}) = delete;

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] const molmo::error& error() const { return error_; }
  [[nodiscard]] const Value& object() const { return *object_; }
  /// Not absent and not null.
  [[nodiscard]] bool has(std::string_view name) const { return object_->present(name) != nullptr; }

  std::int64_t integer(std::string_view name, std::int64_t lo, std::int64_t hi) {
    return keep(
        name, [&](const Value& v, std::string_view full) { return v.as_integer(full, lo, hi); }, lo, true);
  }
  std::int64_t integer_or(std::string_view name, std::int64_t lo, std::int64_t hi, std::int64_t otherwise) {
    return keep(
        name, [&](const Value& v, std::string_view full) { return v.as_integer(full, lo, hi); }, otherwise, false);
  }
  double number(std::string_view name, double lo, double hi) {
    return keep(
        name, [&](const Value& v, std::string_view full) { return v.as_number(full, lo, hi); }, lo, true);
  }
  double number_or(std::string_view name, double lo, double hi, double otherwise) {
    return keep(
        name, [&](const Value& v, std::string_view full) { return v.as_number(full, lo, hi); }, otherwise, false);
  }
  bool boolean_or(std::string_view name, bool otherwise) {
    return keep(
        name, [](const Value& v, std::string_view full) { return v.as_boolean(full); }, otherwise, false);
  }
  std::string_view string(std::string_view name) {
    return keep(
        name, [](const Value& v, std::string_view full) { return v.as_string(full); }, std::string_view{}, true);
  }
  std::string_view string_or(std::string_view name, std::string_view otherwise) {
    return keep(
        name, [](const Value& v, std::string_view full) { return v.as_string(full); }, otherwise, false);
  }

  /// Records a contradiction that the caller has found; the first one stays.
  void refuse(errc code, std::string message) {
    if (!ok_) return;
    ok_ = false;
    error_ = {code, std::move(message)};
  }

 private:
  template <class T, class Get>
  T keep(std::string_view name, Get get, T otherwise, bool required) {
    if (!ok_) return otherwise;
    const std::string full = prefix_ + std::string(name);
    const Value* v = object_->present(name);
    if (!v) {
      if (required) refuse(errc::format, text("field ", in_quotes(full), " is missing"));
      return otherwise;
    }
    auto r = get(*v, full);
    if (r) return static_cast<T>(*r);
    refuse(r.error().code, r.error().message);
    return otherwise;
  }

  const Value* object_;
  std::string prefix_;
  bool ok_ = true;
  molmo::error error_;
};

}  // namespace molmo::inline v0::json
