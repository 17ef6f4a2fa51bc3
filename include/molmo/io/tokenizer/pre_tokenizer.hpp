// SPDX-License-Identifier: Apache-2.0
// PreTokenizer: cuts a normalised text into the pieces that are merged each by itself.
//
//   Split (the patterns of split.hpp, or a literal)  Digits  Metaspace  ByteLevel (last: its pieces are bytes)
//   Sequence
// A stage hands its pieces to the next, piece by piece, so nothing is collected. Anything else is refused by name, an
// unknown regular expression with its text.
#pragma once

#include <molmo/io/tokenizer/normalizer.hpp>
#include <molmo/io/tokenizer/split.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace molmo::inline v0::tokenizer {

/// What becomes of the matches of a Split: "split before, after, around ...".
enum class SplitBehavior : std::uint8_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };

class PreTokenizer {
 public:
  static constexpr std::size_t max_stages = 16;
  /// Memory of one encode() call.
  using Space = std::array<std::string, max_stages>;

  /// From the `pre_tokenizer` of tokenizer.json, null included.
  [[nodiscard]] static result<PreTokenizer> make(const json::Value& value) {
    PreTokenizer p;
    if (status s = p.add(value); !s) return fail(s.error());
    return p;
  }

  /// Whether the pieces are to be read as bytes (see byte_level.hpp).
  [[nodiscard]] bool byte_level() const { return byte_level_; }

  /// Calls sink(piece) for each piece of `text`, in order, until one returns false or `growth` is exceeded. `at_start`:
  /// the text opens the document.
  template <class Sink>
  bool cut(std::string_view text, bool at_start, Space& space, Growth& growth, Sink&& sink) const {
    return run(0, text, at_start, space, growth, sink);
  }

 private:
  enum class Kind : std::uint8_t { rules, literal, digits, metaspace, prefix_space };
  enum class Prepend : std::uint8_t { always, first, never };
  struct Stage {
    Kind kind = Kind::rules;
    SplitRules rules{};
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;
    bool split = true;
    Prepend prepend = Prepend::never;
    std::string literal{};  // of a Split, or the replacement of a Metaspace
  };

  /// Calls piece(begin, end) for what `behavior` makes of matches and the gaps between them. match(from) -> [begin,
  /// end) of the next match at or behind `from`, begin = end = text size where there is none.
  template <class Match, class Piece>
  static bool split(std::string_view text, SplitBehavior behavior, bool invert, Match match, Piece piece) {
    std::size_t begin = 0, end = 0;  // the piece that waits for what comes next
    bool was_match = false;
    const auto part = [&](std::size_t from, std::size_t to, bool is_match) {
      if (from == to) return true;
      using enum SplitBehavior;
      bool join = false;
      if (behavior == contiguous) join = is_match == was_match;
      if (behavior == merged_with_previous) join = is_match && !was_match;
      if (behavior == merged_with_next) join = was_match && !is_match;
      was_match = is_match;
      if (behavior == removed && is_match) return true;
      if (!join || begin == end) {
        if (begin < end && !piece(begin, end)) return false;
        begin = from;
      }
      end = to;
      return true;
    };
    for (std::size_t at = 0; at < text.size();) {
      const auto [from, to] = match(at);
      if (!part(at, from, invert) || !part(from, to, !invert)) return false;
      at = to;
    }
    return begin == end || piece(begin, end);
  }

  template <class Sink>
  bool run(std::size_t k, std::string_view text, bool at_start, Space& space, Growth& growth, Sink& sink) const {
    if (text.empty()) return true;
    if (k == stages_.size()) return sink(text);
    const Stage& stage = stages_[k];
    const auto literal = [&](std::size_t at) {
      const std::size_t from = text.find(stage.literal, at);
      return from == text.npos ? Range{text.size(), text.size()} : Range{from, from + stage.literal.size()};
    };
    const auto next = [&](std::size_t from, std::size_t to) {
      return run(k + 1, text.substr(from, to - from), at_start && from == 0, space, growth, sink);
    };
    switch (stage.kind) {
      case Kind::rules:
        for (std::size_t at = 0; at < text.size();) {
          const std::size_t end = stage.rules.next(text, at);
          if (!next(at, end)) return false;
          at = end;
        }
        return true;
      case Kind::literal:
        return split(text, stage.behavior, stage.invert, literal, next);
      case Kind::digits:
        return split(
            text, stage.behavior, false, [&](std::size_t at) { return next_digit(text, at); }, next);
      case Kind::prefix_space:
        if (text.front() == ' ') return next(0, text.size());
        if (!growth.take(text.size(), text.size() + 1)) return false;
        space[k].assign(1, ' ').append(text);
        text = space[k];
        return next(0, text.size());
      case Kind::metaspace: {
        std::string& changed = space[k];
        changed.clear();
        const bool wanted = stage.prepend == Prepend::always || (stage.prepend == Prepend::first && at_start);
        if (wanted && text.front() != ' ' && !text.starts_with(stage.literal)) changed.append(stage.literal);
        (void)replace_all(text, " ", stage.literal, changed, static_cast<std::size_t>(-1));  // 4 bytes at most for each
        if (!growth.take(text.size(), changed.size())) return false;
        text = changed;
        return stage.split ? split(text, SplitBehavior::merged_with_next, false, literal, next) : next(0, text.size());
      }
    }
    return false;
  }

  struct Range {
    std::size_t from, to;
  };
  [[nodiscard]] static Range next_digit(std::string_view text, std::size_t at) {
    while (at < text.size()) {
      const Char c = read_valid(text, at);
      if (is_number(char_class(c.code))) return {at, at + c.size};
      at += c.size;
    }
    return {at, at};
  }

  [[nodiscard]] status add(const json::Value& value) {
    if (value.is_null()) return {};
    json::Fields f(value, "pre_tokenizer.");
    const std::string_view type = f.string("type");
    if (!f.ok()) return fail(f.error());
    if (byte_level_)
      return fail(errc::unsupported, text("pre_tokenizer: ", in_quotes(type), " behind ByteLevel is not supported"));
    if (type == "Sequence") {
      const json::Value* all = value.present("pretokenizers");
      if (!all || !all->is_array()) return fail(errc::format, "pre_tokenizer: Sequence needs an array 'pretokenizers'");
      for (std::size_t i = 0; i < all->size(); ++i)
        if (status s = add((*all)[i]); !s) return s;
      return {};
    }
    Stage stage;
    if (type == "ByteLevel") {
      byte_level_ = true;
      const bool prefix = f.boolean_or("add_prefix_space", true), regex = f.boolean_or("use_regex", true);
      stage.kind = Kind::prefix_space;
      if (prefix) stages_.push_back(stage);
      stage.kind = Kind::rules;
      if (regex) stages_.push_back(stage);  // its default is GPT-2's pattern
    } else if (type == "Digits") {
      stage.kind = Kind::digits;
      stage.behavior = f.boolean_or("individual_digits", false) ? SplitBehavior::isolated : SplitBehavior::contiguous;
      stages_.push_back(stage);
    } else if (type == "Metaspace") {
      stage.kind = Kind::metaspace;
      stage.literal = f.string("replacement");
      stage.split = f.boolean_or("split", true);
      const bool add = f.boolean_or("add_prefix_space", true);  // how older files say it
      const std::string_view scheme = f.string_or("prepend_scheme", add ? "always" : "never");
      stage.prepend = !add || scheme == "never" ? Prepend::never : scheme == "first" ? Prepend::first : Prepend::always;
      if (scheme != "always" && scheme != "first" && scheme != "never")
        return not_supported("pre_tokenizer Metaspace: prepend_scheme", scheme);
      if (f.ok() && (stage.literal.empty() || read_valid(stage.literal, 0).size != stage.literal.size()))
        return fail(errc::format,
                    text("pre_tokenizer Metaspace: replacement must be one character, not ", in_quotes(stage.literal)));
      stages_.push_back(stage);
    } else if (type == "Split") {
      if (status s = add_split(value, f, stage); !s) return s;
    } else {
      return not_supported("pre_tokenizer", type);
    }
    if (!f.ok()) return fail(f.error());
    if (stages_.size() > max_stages) return fail(errc::unsupported, "pre_tokenizer: more than 16 stages");
    return {};
  }

  [[nodiscard]] status add_split(const json::Value& value, json::Fields& f, Stage& stage) {
    const auto pattern = read_pattern(value, "pre_tokenizer Split");
    if (!pattern) return fail(pattern.error());
    const std::string_view behavior = f.string("behavior");
    stage.invert = f.boolean_or("invert", false);
    if (!f.ok()) return fail(f.error());
    using enum SplitBehavior;
    if (behavior == "Removed")
      stage.behavior = removed;
    else if (behavior == "Isolated")
      stage.behavior = isolated;
    else if (behavior == "MergedWithPrevious")
      stage.behavior = merged_with_previous;
    else if (behavior == "MergedWithNext")
      stage.behavior = merged_with_next;
    else if (behavior == "Contiguous")
      stage.behavior = contiguous;
    else
      return not_supported("pre_tokenizer Split: behavior", behavior);
    if (pattern->is_regex) {
      const auto rules = known_split_pattern(pattern->text);
      if (!rules) return not_supported("pre_tokenizer Split: the regular expression", pattern->text);
      // Known patterns match everywhere, so there are no gaps: these two keep each match as a piece.
      if (stage.behavior != isolated && !(stage.behavior == removed && stage.invert))
        return not_supported("pre_tokenizer Split with a regular expression: behavior", behavior);
      stage.kind = Kind::rules;
      stage.rules = *rules;
    } else {
      if (pattern->text.empty()) return not_supported("pre_tokenizer Split: the pattern", pattern->text);
      stage.kind = Kind::literal;
      stage.literal = pattern->text;
    }
    stages_.push_back(stage);
    return {};
  }

  std::vector<Stage> stages_;
  bool byte_level_ = false;
};

}  // namespace molmo::inline v0::tokenizer
