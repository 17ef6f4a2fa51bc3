// SPDX-License-Identifier: Apache-2.0
// AddedTokens: the tokens that are cut out of a text before any splitting or merging, such as <|endoftext|>.
//
// At each place the longest token that begins there wins, from left to right. lstrip and rstrip take the white space
// beside a match with it; single_word asks for no word character beside it. Time: linear in the text, see
// longest_match.hpp.
#pragma once

#include <molmo/io/tokenizer/longest_match.hpp>
#include <molmo/io/tokenizer/unicode.hpp>
#include <molmo/io/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::tokenizer {

/// An element of `added_tokens` in tokenizer.json.
struct AddedToken {
  Id id = no_id;
  std::string content;
  bool single_word = false, lstrip = false, rstrip = false;
  bool normalized = true;  ///< looked for in the normalised text, not in the raw one
  bool special = false;    ///< a control token: left out by decode(), and no text unless EncodeOptions::parse_special
};

/// The longest content of an added token, in bytes.
inline constexpr std::size_t longest_added_token = 1024;

/// Finds the tokens of one of the two passes.
class AddedTokenFinder {
 public:
  /// `text` is what to look for: the token's content, normalised in the second pass.
  void add(const AddedToken& token, std::string text) {
    if (!text.empty())
      patterns_.push_back({std::move(text), token.id, token.single_word, token.lstrip, token.rstrip, token.special});
  }
  /// To be called once after the last add(). Error: the tokens are too many and too long.
  [[nodiscard]] status finish() {
    std::vector<std::string_view> texts;
    texts.reserve(patterns_.size());
    for (const Pattern& p : patterns_) texts.push_back(p.text);
    if (!match_.build(texts))
      return fail(errc::unsupported, molmo::text("the added tokens have more than ", LongestMatch::most_nodes,
                                                 " bytes that no two of them share"));
    return {};
  }
  [[nodiscard]] bool empty() const { return patterns_.empty(); }

  /// Memory of one encode() call.
  using Space = std::vector<LongestMatch::Hit>;

  /// Cuts `text` (valid UTF-8) into tokens and what stands between: calls token(id) and between(begin, end), in order,
  /// until one returns false. A special token that is found while !special is plain text, and ends up between.
  template <class Token, class Between>
  bool cut(std::string_view text, bool special, Space& hits, Token token, Between between) const {
    // hits are looked for in blocks, so that they take little memory
    constexpr std::size_t block = std::size_t{1} << 14;
    std::size_t done = 0;
    std::size_t space_end = 0;  // end of the white space that was looked at last
    std::size_t from = 0, end = 0, at = 0;  // the block; where the next token may begin
    hits.clear();
    for (;;) {
      while (hits.empty() && (std::max)(at, end) < text.size() && !match_.empty()) {
        from = (std::max)(at, end);
        end = (std::min)(text.size(), from + block);
        match_.find(text, from, end, hits);
      }
      if (hits.empty()) break;
      const LongestMatch::Hit hit = hits.back();
      hits.pop_back();
      if (from + hit.at < at) continue;  // within the token before
      const Pattern* p = &patterns_[hit.pattern];
      std::size_t start = from + hit.at, stop = start + p->text.size();
      at = stop;
      if (p->special && !special) continue;
      if (p->single_word && ((start > 0 && is_word(read_valid_before(text, start).code)) ||
                             (stop < text.size() && is_word(read_valid(text, stop).code))))
        continue;
      if (p->lstrip) {
        while (start > done) {
          const Char c = read_valid_before(text, start);
          if (!is_space(char_class(c.code))) break;
          start -= c.size;
        }
        start = (std::max)(start, done);
      }
      if (p->rstrip) {
        if (stop >= space_end) {
          for (space_end = stop; space_end < text.size();) {
            const Char c = read_valid(text, space_end);
            if (!is_space(char_class(c.code))) break;
            space_end += c.size;
          }
        }
        stop = (std::max)(stop, space_end);
      }
      // white space that the token before has taken: as in Hugging Face tokenizers, no token
      if (start >= stop) continue;
      if (done < start && !between(done, start)) return false;
      if (!token(p->id)) return false;
      done = stop;
    }
    return done >= text.size() || between(done, text.size());
  }

 private:
  struct Pattern {
    std::string text;
    Id id;
    bool single_word, lstrip, rstrip, special;
  };

  std::vector<Pattern> patterns_;
  LongestMatch match_;
};

/// All added tokens by id and by content.
class AddedTokens {
 public:
  /// Errors: an id or a content that stands twice or contradicts the vocabulary, or a content that is too long.
  [[nodiscard]] static result<AddedTokens> make(std::vector<AddedToken> tokens, const Vocabulary& vocabulary) {
    AddedTokens all;
    for (const AddedToken& t : tokens) {
      if (t.content.size() > longest_added_token)
        return fail(errc::unsupported, text("the added token ", in_quotes(t.content, 40), " is ", t.content.size(),
                                            " bytes long, the limit is ", longest_added_token));
      const Id known = vocabulary.find(t.content);
      const auto taken = vocabulary.token(t.id);
      if ((known != no_id && known != t.id) || (taken && *taken != t.content))
        return fail(errc::format,
                    text("the added token ", in_quotes(t.content), " has the id ", t.id, ", but in the vocabulary ",
                         known != no_id ? text("it has ", known) : text("that is ", in_quotes(*taken))));
    }
    std::erase_if(tokens, [](const AddedToken& t) { return t.content.empty(); });  // ignored, as elsewhere
    all.tokens_ = std::move(tokens);
    std::stable_sort(all.tokens_.begin(), all.tokens_.end(),
                     [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
    for (std::size_t i = 0; i < all.tokens_.size(); ++i) all.by_content_.push_back(static_cast<std::uint32_t>(i));
    std::sort(all.by_content_.begin(), all.by_content_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return all.tokens_[a].content < all.tokens_[b].content; });
    for (std::size_t i = 1; i < all.tokens_.size(); ++i) {
      const AddedToken& a = all.tokens_[i - 1];
      const AddedToken& b = all.tokens_[i];
      if (a.id == b.id)
        return fail(errc::format, text("the added tokens ", in_quotes(a.content), " and ", in_quotes(b.content),
                                       " have the same id ", b.id));
      const std::string& content = all.tokens_[all.by_content_[i]].content;
      if (all.tokens_[all.by_content_[i - 1]].content == content)
        return fail(errc::format, text("the added token ", in_quotes(content), " stands twice in the file"));
    }
    return all;
  }

  [[nodiscard]] const AddedToken* by_id(Id id) const {
    const auto at =
        std::lower_bound(tokens_.begin(), tokens_.end(), id, [](const AddedToken& t, Id i) { return t.id < i; });
    return at != tokens_.end() && at->id == id ? &*at : nullptr;
  }
  [[nodiscard]] const AddedToken* by_content(std::string_view content) const {
    const auto at = std::lower_bound(by_content_.begin(), by_content_.end(), content,
                                     [&](std::uint32_t i, std::string_view c) { return tokens_[i].content < c; });
    return at != by_content_.end() && tokens_[*at].content == content ? &tokens_[*at] : nullptr;
  }
  [[nodiscard]] const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  std::vector<AddedToken> tokens_;         // ascending ids
  std::vector<std::uint32_t> by_content_;  // ascending contents
};

}  // namespace molmo::inline v0::tokenizer
