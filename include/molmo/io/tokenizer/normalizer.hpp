// SPDX-License-Identifier: Apache-2.0
// Normalizer: what tokenizer.json does to a text before it looks for pieces: Prepend, Replace, NFC, or a Sequence of
// them.
//
// Each stretch of text between added tokens is normalised by itself. Anything else in the file (NFD, NFKC, Lowercase,
// regular expressions ...) is refused by name rather than left out. How much longer a text may become is bounded: see
// Growth.
#pragma once

#include <molmo/io/json_value.hpp>
#include <molmo/io/tokenizer/nfc.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::tokenizer {

/// The error for something in tokenizer.json that this library does not do.
[[nodiscard]] inline failure not_supported(std::string_view where, std::string_view what) {
  return fail(errc::unsupported, text(where, " ", in_quotes(what, 400), " is not supported"));
}

/// How much longer one call of encode() may make its text, all steps of the normalizer and of the pre-tokenizer
/// together: steps can multiply each other's growth, so that without a bound a small file would ask for any amount of
/// memory and time.
class Growth {
 public:
  /// For a text of `bytes` bytes: 15 times as many, and 4096.
  explicit Growth(std::size_t bytes) : left_(15 * bytes + 4096) {}

  /// The longest that `bytes` bytes may become.
  [[nodiscard]] std::size_t limit(std::size_t bytes) const { return bytes + left_; }
  /// A step has made `to` bytes of `from` bytes. False: too many; the text is given up.
  bool take(std::size_t from, std::size_t to) {
    exceeded_ = exceeded_ || to > limit(from);
    if (!exceeded_ && to > from) left_ -= to - from;
    return !exceeded_;
  }
  [[nodiscard]] bool exceeded() const { return exceeded_; }
  [[nodiscard]] static failure error() {
    return fail(errc::unsupported, "the normalizer and the pre_tokenizer make this text more than 16 times longer");
  }

 private:
  std::size_t left_;
  bool exceeded_ = false;
};

/// The longest text that a Replace or a Split looks for, in bytes: it is compared at every place.
inline constexpr std::size_t longest_pattern = 256;

/// Replaces every `from` in `s`, from left to right, appending to `out`. False: `out` would exceed `limit` bytes.
[[nodiscard]] inline bool replace_all(std::string_view s, std::string_view from, std::string_view to, std::string& out,
                                      std::size_t limit) {
  for (;;) {
    const std::size_t at = s.find(from);
    const bool last = at == s.npos;
    if (out.size() + (last ? s.size() : at + to.size()) > limit) return false;
    out.append(s.substr(0, at));
    if (last) return true;
    out.append(to);
    s.remove_prefix(at + from.size());
  }
}

/// The `pattern` of a Replace or Split: {"String": "..."} or {"Regex": "..."}.
struct Pattern {
  bool is_regex = false;
  std::string_view text;
};
[[nodiscard]] inline result<Pattern> read_pattern(const json::Value& owner, std::string_view where) {
  const json::Value* p = owner.present("pattern");
  const json::Value* string = p ? p->present("String") : nullptr;
  const json::Value* regex = p ? p->present("Regex") : nullptr;
  if ((string == nullptr) == (regex == nullptr))
    return fail(errc::format, molmo::text(where, ": field 'pattern' must be {\"String\": ...} or {\"Regex\": ...}"));
  auto s = (string ? string : regex)->as_string("pattern");
  if (!s) return fail(s.error());
  if (string && s->size() > longest_pattern)
    return fail(errc::unsupported,
                molmo::text(where, ": a pattern of ", s->size(), " bytes; the limit is ", longest_pattern));
  return Pattern{regex != nullptr, *s};
}

class Normalizer {
 public:
  /// From the `normalizer` of tokenizer.json, null included.
  [[nodiscard]] static result<Normalizer> make(const json::Value& value) {
    Normalizer n;
    if (status s = n.add(value); !s) return fail(s.error());
    return n;
  }

  [[nodiscard]] bool empty() const { return steps_.empty(); }

  /// `s` normalised: a view of `s` itself or of `space`. Error: the text becomes longer than `growth` allows.
  [[nodiscard]] result<std::string_view> apply(std::string_view s, std::string& space, Growth& growth) const {
    for (const Step& step : steps_) {
      std::string next;
      bool fits = true;
      switch (step.kind) {
        case Kind::prepend:
          if (s.empty()) continue;
          fits = step.text.size() + s.size() <= growth.limit(s.size());
          if (fits) next.reserve(step.text.size() + s.size()), next.append(step.text).append(s);
          break;
        case Kind::replace:
          if (s.find(step.from) == s.npos) continue;
          next.reserve(s.size() + s.size() / 2);
          fits = replace_all(s, step.from, step.text, next, growth.limit(s.size()));
          break;
        case Kind::nfc:
          if (!nfc_is_needed(s)) continue;
          next = nfc(s);
          break;
      }
      if (!fits || !growth.take(s.size(), next.size())) return Growth::error();
      space = std::move(next);
      s = space;
    }
    return s;
  }

 private:
  enum class Kind : std::uint8_t { prepend, replace, nfc };
  struct Step {
    Kind kind;
    std::string from, text;
  };

  [[nodiscard]] status add(const json::Value& value) {
    if (value.is_null()) return {};
    auto type = value.string("type");
    if (!type) return fail(errc::format, text("normalizer: ", type.error().message));
    if (steps_.size() >= 16) return fail(errc::unsupported, "normalizer: more than 16 steps");
    if (*type == "Sequence") {
      const json::Value* all = value.present("normalizers");
      if (!all || !all->is_array()) return fail(errc::format, "normalizer: Sequence needs an array 'normalizers'");
      for (std::size_t i = 0; i < all->size(); ++i)
        if (status s = add((*all)[i]); !s) return s;
      return {};
    }
    if (*type == "NFC") {
      steps_.push_back({Kind::nfc, {}, {}});
      return {};
    }
    if (*type == "Prepend") {
      auto prefix = value.string("prepend");
      if (!prefix) return fail(errc::format, text("normalizer Prepend: ", prefix.error().message));
      steps_.push_back({Kind::prepend, {}, std::string(*prefix)});
      return {};
    }
    if (*type == "Replace") {
      auto pattern = read_pattern(value, "normalizer Replace");
      if (!pattern) return fail(pattern.error());
      auto content = value.string("content");
      if (!content) return fail(errc::format, text("normalizer Replace: ", content.error().message));
      if (pattern->is_regex || pattern->text.empty())
        return not_supported("normalizer Replace: the pattern", pattern->text);
      steps_.push_back({Kind::replace, std::string(pattern->text), std::string(*content)});
      return {};
    }
    return not_supported("normalizer", *type);
  }

  std::vector<Step> steps_;
};

}  // namespace molmo::inline v0::tokenizer
