// SPDX-License-Identifier: Apache-2.0
// Decoder: tokens -> text, one token at a time, so that decoding a stream and decoding a list are the same code.
//
//   ByteLevel                                     bytes of each token, then UTF-8
//   Sequence[Replace, ByteFallback, Fuse, Strip]  SentencePiece-style, any of the four left out
//   Metaspace;  null: joined by spaces
// Bytes that are no UTF-8 become U+FFFD, one per maximal invalid part (ByteLevel) or, where tokens <0xE2> spell single
// bytes, one per byte of the run of such tokens. What may still change is held back: at most 3 bytes, or the current
// run of byte tokens. A token becomes at most 64 times as many bytes of text: a file whose Replace steps could make
// more is refused.
#pragma once

#include <molmo/io/tokenizer/byte_level.hpp>
#include <molmo/io/tokenizer/normalizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::tokenizer {

class Decoder {
 public:
  /// What one stream of tokens needs to remember.
  struct State {
    std::string held;     // bytes that are not text yet
    std::string scratch;  // the token at work
    std::string other;
    Utf8State utf8;
    bool broken = false;    // the run of byte tokens is no UTF-8
    bool stripped = false;  // the start of the text is decided
    std::size_t cut = 0;    // characters stripped from the start
    bool begun = false;     // a token was seen
  };

  /// From the `decoder` of tokenizer.json, null included.
  [[nodiscard]] static result<Decoder> make(const json::Value& value) {
    Decoder d;
    if (status s = d.add(value, true); !s) return fail(s.error());
    return d;
  }

  /// Appends to `out` the text that is certain once `token` has come.
  void push(std::string_view token, State& state, std::string& out) const {
    const bool first = !std::exchange(state.begun, true);
    switch (kind_) {
      case Kind::join:
        if (!first) out.push_back(' ');
        out.append(token);
        return;
      case Kind::byte_level:
        state.scratch.clear();
        append_bytes_of_chars(state.scratch, token);
        for (const char c : state.scratch)
          if (state.utf8.need == 0 && static_cast<unsigned char>(c) < 0x80)
            out.push_back(c);
          else
            push_byte(c, state, out);
        return;
      case Kind::pieces:
        break;
    }
    state.scratch.assign(token);
    for (const Replace& r : replaces_) {
      if (state.scratch.find(r.from) == std::string::npos) continue;
      state.other.clear();
      (void)replace_all(state.scratch, r.from, first && r.drop_in_first ? std::string_view() : std::string_view(r.to),
                        state.other, static_cast<std::size_t>(-1));  // bounded by max_growth
      std::swap(state.scratch, state.other);
    }
    const int byte = byte_fallback_ ? byte_of(state.scratch) : -1;
    if (byte < 0) {
      end_run(state, out);
      emit(state.scratch, state, out);
      return;
    }
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    state.held.push_back(c);
    if (!state.broken) state.broken = state.utf8.step(static_cast<unsigned char>(c)) == Utf8State::Step::invalid;
    if (state.broken) end_run(state, out, true);
  }

  /// Appends what is left when no more tokens come.
  void finish(State& state, std::string& out) const {
    if (kind_ == Kind::byte_level && !state.held.empty()) out.append(replacement_character);
    if (kind_ == Kind::pieces) end_run(state, out);
    state.held.clear();  // and on to a new text, with the memory of the old one
    state.utf8.reset();
    state.broken = state.stripped = state.begun = false;
    state.cut = 0;
  }

  /// How many times longer the Replace steps, which multiply, may make a token.
  static constexpr double max_growth = 64;

 private:
  enum class Kind : std::uint8_t { join, byte_level, pieces };
  struct Replace {
    std::string from, to;
    bool drop_in_first = false;  // Metaspace removes it from the first token
  };

  static void push_byte(char c, State& state, std::string& out) {
    using enum Utf8State::Step;
    for (;;) {
      const bool inside = state.utf8.need > 0;
      const auto step = state.utf8.step(static_cast<unsigned char>(c));
      if (step == invalid) {
        out.append(replacement_character);
        state.held.clear();
        state.utf8.reset();
        if (inside) continue;  // the byte itself may begin a character
        return;
      }
      state.held.push_back(c);
      if (step == complete) {
        out.append(state.held);
        state.held.clear();
      }
      return;
    }
  }

  /// The byte that a token <0xE2> stands for, or -1. Takes what Rust's u8::from_str_radix takes: either case, a leading
  /// plus.
  [[nodiscard]] static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    const int high = token[3] == '+' ? 0 : digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
  }

  /// The run of byte tokens is over, or known to be broken: it becomes text, or one U+FFFD per byte.
  void end_run(State& state, std::string& out, bool goes_on = false) const {
    if (!state.held.empty()) {
      if (state.broken || state.utf8.need > 0)
        for (std::size_t i = 0; i < state.held.size(); ++i) emit(replacement_character, state, out);
      else
        emit(state.held, state, out);
    }
    state.held.clear();
    if (goes_on) return;
    state.broken = false;
    state.utf8.reset();
  }

  /// A token in its final form: strips the start of the whole text (Fuse before Strip) or of each token.
  void emit(std::string_view s, State& state, std::string& out) const {
    if (strip_.empty()) {
      out.append(s);
      return;
    }
    if (!fuse_) state.stripped = false, state.cut = 0;
    while (!state.stripped && state.cut < strip_count_ && !s.empty()) {
      if (s.starts_with(strip_))
        s.remove_prefix(strip_.size()), ++state.cut;
      else
        state.stripped = true;
    }
    out.append(s);
  }

  [[nodiscard]] status add(const json::Value& value, bool alone) {
    if (value.is_null()) return {};
    json::Fields f(value, "decoder.");
    const std::string_view type = f.string("type");
    if (!f.ok()) return fail(f.error());
    if (type == "Sequence") {
      const json::Value* all = value.present("decoders");
      if (!all || !all->is_array()) return fail(errc::format, "decoder: Sequence needs an array 'decoders'");
      kind_ = Kind::pieces;
      for (std::size_t i = 0; i < all->size(); ++i)
        if (status s = add((*all)[i], alone && all->size() == 1); !s) return s;
      return {};
    }
    if (type == "ByteLevel" && alone) {
      kind_ = Kind::byte_level;
      return {};
    }
    kind_ = Kind::pieces;
    const bool replaces_over = byte_fallback_ || fuse_ || !strip_.empty();
    const auto out_of_order = [&] { return not_supported("decoder: a Sequence in which this comes so late:", type); };
    if (type == "Replace") {
      auto pattern = read_pattern(value, "decoder Replace");
      if (!pattern) return fail(pattern.error());
      if (pattern->is_regex || pattern->text.empty())
        return not_supported("decoder Replace: the pattern", pattern->text);
      if (replaces_over) return out_of_order();
      const std::string_view content = f.string("content");
      if (status s = add_replace({std::string(pattern->text), std::string(content)}); !s) return s;
    } else if (type == "Metaspace") {
      const bool prefix = f.boolean_or("add_prefix_space", true);
      const bool drop = f.string_or("prepend_scheme", prefix ? "always" : "never") != "never";
      const std::string_view from = f.string("replacement");
      if (f.ok() && (from.empty() || from.size() > longest_pattern))
        return not_supported("decoder Metaspace: replacement", from);
      if (replaces_over) return out_of_order();
      if (!f.ok()) return fail(f.error());
      if (status s = add_replace({std::string(from), " ", drop && prefix}); !s) return s;
    } else if (type == "ByteFallback") {
      if (replaces_over) return out_of_order();
      byte_fallback_ = true;
    } else if (type == "Fuse") {
      if (!strip_.empty()) return out_of_order();
      fuse_ = true;
    } else if (type == "Strip") {
      if (!strip_.empty()) return out_of_order();
      strip_ = f.string("content");
      strip_count_ = static_cast<std::size_t>(f.integer("start", 0, 1 << 20));
      if (f.integer_or("stop", 0, 1 << 20, 0) != 0) return not_supported("decoder Strip:", "stop");
      if (f.ok() && strip_.empty()) return fail(errc::format, "decoder Strip: content is empty");
    } else {
      return not_supported(alone ? "decoder" : "decoder in a Sequence:", type);
    }
    if (!f.ok()) return fail(f.error());
    return {};
  }

  /// `r.from` is not empty: so a step makes a text r.to / r.from times longer at most.
  [[nodiscard]] status add_replace(Replace r) {
    growth_ *= (std::max)(1.0, static_cast<double>(r.to.size()) / static_cast<double>(r.from.size()));
    replaces_.push_back(std::move(r));
    if (replaces_.size() > 16) return fail(errc::unsupported, "decoder: more than 16 Replace steps");
    if (growth_ > max_growth)
      return fail(errc::unsupported,
                  text("decoder: its Replace steps can make a token ", static_cast<std::int64_t>(growth_),
                       " times longer; the limit is ", static_cast<int>(max_growth)));
    return {};
  }

  Kind kind_ = Kind::join;
  double growth_ = 1;
  std::vector<Replace> replaces_;
  bool byte_fallback_ = false, fuse_ = false;
  std::string strip_;
  std::size_t strip_count_ = 0;
};

}  // namespace molmo::inline v0::tokenizer
