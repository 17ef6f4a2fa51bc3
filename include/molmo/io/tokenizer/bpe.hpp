// SPDX-License-Identifier: Apache-2.0
// Bpe: byte-pair encoding of one piece of text, as Hugging Face tokenizers does it, for byte-level and
// SentencePiece-style files.
//
//   piece -> one symbol per character -> merges -> ids
// A character without a token becomes its bytes <0xE2> (byte_fallback), else the unknown token, else nothing. Const and
// without a cache, so any number of threads may encode. Speed: symbols by table for bytes and ASCII; a text without a
// pre-tokenizer is cut at U+2581 where no merge can reach across, which keeps pieces short and changes no id.
#pragma once

#include <molmo/io/tokenizer/byte_level.hpp>
#include <molmo/io/tokenizer/merges.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::tokenizer {

/// The switches of `model` in tokenizer.json.
struct BpeOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
  bool byte_level = false;  ///< pieces are bytes; the vocabulary is written in the characters of byte_level.hpp
};

/// The merges as they stand in a file: pairs of tokens, each behind its length (one byte, or 255 and four bytes). A
/// file may list its merges before its vocabulary, and ten million of them, so they wait here and take no more room
/// than in the file.
class MergeTexts {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }

  void add(std::string_view left, std::string_view right) {
    put(left);
    put(right);
    ++size_;
  }
  /// The token at `at`, which moves behind it.
  [[nodiscard]] std::string_view read(std::size_t& at) const {
    std::size_t length = static_cast<unsigned char>(chars_[at++]);
    if (length == 255) {
      std::uint32_t long_length = 0;
      std::memcpy(&long_length, chars_.data() + at, 4);
      at += 4;
      length = long_length;
    }
    at += length;
    return std::string_view(chars_).substr(at - length, length);
  }

 private:
  void put(std::string_view token) {
    const auto length = static_cast<std::uint32_t>(token.size());  // strings of a file are shorter than 1 MiB
    chars_.push_back(static_cast<char>(static_cast<unsigned char>((std::min)(length, 255u))));
    if (length >= 255) chars_.append(reinterpret_cast<const char*>(&length), 4);
    chars_.append(token);
  }

  std::string chars_;
  std::size_t size_ = 0;
};

/// Memory of one encode() call, kept between its pieces.
struct BpeSpace {
  std::vector<Id> ids;
  std::string chars;
  MergeSpace merge;
};

class Bpe {
 public:
  /// `vocabulary` is finished; `specials`, ascending, are never taken for a whole piece by ignore_merges: text must not
  /// become a control token that way. Errors: a merge whose parts or product are no tokens.
  [[nodiscard]] static result<Bpe> make(Vocabulary vocabulary, const MergeTexts& texts, BpeOptions options,
                                        std::vector<Id> specials = {}) {
    Bpe bpe;
    bpe.specials_ = std::move(specials);
    bpe.vocabulary_ = std::move(vocabulary);
    bpe.options_ = std::move(options);
    bpe.find_symbols();
    Boundary boundary;
    std::string product;
    const std::size_t prefix = bpe.options_.continuing_subword_prefix.size();
    std::size_t at = 0;
    Id p = no_id;
    bpe.merges_.reserve((std::min)(texts.size(), bpe.vocabulary_.count()));  // repeated merges must not claim memory
    for (std::size_t rank = 0; rank < texts.size(); ++rank) {
      const std::string_view left = texts.read(at), right = texts.read(at);
      if (right.size() < prefix)
        return fail(errc::format, text("merge ", rank, ": ", in_quotes(right), " lacks the continuing_subword_prefix"));
      product.assign(left).append(right.substr(prefix));
      const Id l = bpe.vocabulary_.find(left), r = bpe.vocabulary_.find(right);
      p = bpe.vocabulary_.token(p + 1) == product ? p + 1
                                                  : bpe.vocabulary_.find(product);  // trainers number products in order
      if (l == no_id || r == no_id || p == no_id)
        return fail(errc::format, text("merge ", rank, " (", in_quotes(left), ", ", in_quotes(right), "): ",
                                       in_quotes(l == no_id   ? left
                                                 : r == no_id ? right
                                                              : std::string_view(product)),
                                       " is not in the vocabulary"));
      if (status s = bpe.merges_.add(l, r, p); !s) return fail(s.error());
      boundary.note(bpe, left, right, l, r);
    }
    bpe.cut_ = boundary.usable(bpe);
    std::sort(boundary.joined.begin(), boundary.joined.end());
    boundary.joined.erase(std::unique(boundary.joined.begin(), boundary.joined.end()), boundary.joined.end());
    bpe.joined_ = std::move(boundary.joined);
    return bpe;
  }

  /// Appends the ids of a piece: bytes of valid UTF-8, at most 1 GiB. Error: an unknown token is needed that does not
  /// exist.
  [[nodiscard]] status encode(std::string_view piece, BpeSpace& space, std::vector<Id>& out) const {
    if (options_.ignore_merges) {
      if (const Id whole = find_piece(piece, space);
          whole != no_id && !std::binary_search(specials_.begin(), specials_.end(), whole)) {
        out.push_back(whole);
        return {};
      }
    }
    if (cut_) {
      for (std::size_t at = piece.find(space_char, 1); at != piece.npos; at = piece.find(space_char, at + 1)) {
        if (std::binary_search(joined_.begin(), joined_.end(), read_valid_before(piece, at).code)) continue;
        if (status s = encode_part(piece.substr(0, at), space, out); !s) return s;
        piece.remove_prefix(at);
        at = 0;
      }
    }
    return encode_part(piece, space, out);
  }

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
  [[nodiscard]] const Merges& merges() const { return merges_; }

 private:
  static constexpr std::string_view space_char = "\xE2\x96\x81";  // U+2581

  /// Whether text may be cut before every U+2581 except behind the characters of `joined`: no merge may then reach
  /// across, and symbols must spell the text, which unknown and byte tokens do not.
  struct Boundary {
    std::vector<char32_t> joined;
    bool odd_merge = false;

    void note(const Bpe& bpe, std::string_view left, std::string_view right, Id l, Id r) {
      if (right.starts_with(space_char) && !left.empty()) {
        const char32_t last = read_valid_before(left, left.size()).code;
        if (joined.empty() || joined.back() != last) joined.push_back(last);
      }
      odd_merge |= left.empty() || right.empty() || l == bpe.unk_ || r == bpe.unk_ || bpe.is_byte_token(left) ||
                   bpe.is_byte_token(right);
    }
    [[nodiscard]] bool usable(const Bpe& bpe) const {
      const BpeOptions& o = bpe.options_;
      return !odd_merge && !o.byte_level && o.continuing_subword_prefix.empty() && o.end_of_word_suffix.empty() &&
             bpe.vocabulary_.find(space_char) != no_id && (bpe.unk_ != no_id || bpe.all_bytes_);
    }
  };

  [[nodiscard]] static std::string byte_token(unsigned b) {
    constexpr char hex[] = "0123456789ABCDEF";
    return {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};
  }
  [[nodiscard]] bool is_byte_token(std::string_view token) const {
    return options_.byte_fallback && token.size() == 6 && token.starts_with("<0x");
  }

  void find_symbols() {
    if (options_.unk_token) unk_ = vocabulary_.find(*options_.unk_token);
    for (unsigned b = 0; b < 256; ++b) {
      byte_tokens_[b] = options_.byte_fallback ? vocabulary_.find(byte_token(b)) : no_id;
      all_bytes_ = all_bytes_ && byte_tokens_[b] != no_id;
      std::string symbol;
      if (options_.byte_level)
        append_utf8(symbol, char_of_byte[b]);
      else if (b < 0x80)
        append_utf8(symbol, b);
      symbols_[b] = symbol.empty() ? no_id : vocabulary_.find(symbol);
    }
  }

  [[nodiscard]] Id find_piece(std::string_view piece, BpeSpace& space) const {
    if (!options_.byte_level) return vocabulary_.find(piece);
    space.chars.clear();
    append_byte_chars(space.chars, piece);
    return vocabulary_.find(space.chars);
  }

  [[nodiscard]] status encode_part(std::string_view piece, BpeSpace& space, std::vector<Id>& out) const {
    space.ids.clear();
    const bool plain = options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
    bool unknown = false;  // an unknown token that waits: a run of them may become one
    for (std::size_t i = 0; i < piece.size();) {
      const std::size_t start = i;
      const auto byte = static_cast<unsigned char>(piece[i]);
      i += options_.byte_level || byte < 0x80 ? 1 : read_valid(piece, i).size;
      Id id = no_id;
      if (plain && (options_.byte_level || byte < 0x80)) {
        id = symbols_[byte];
      } else {
        spell(piece, start, i, space.chars);
        id = vocabulary_.find(space.chars);
      }
      if (id != no_id) {
        if (std::exchange(unknown, false)) space.ids.push_back(unk_);
        space.ids.push_back(id);
        continue;
      }
      if (options_.byte_fallback) {
        spell(piece, start, i, space.chars);
        bool all = true;
        for (const char c : space.chars) all = all && byte_tokens_[static_cast<unsigned char>(c)] != no_id;
        if (all) {  // as in Hugging Face tokenizers, a waiting unknown token goes on waiting
          for (const char c : space.chars) space.ids.push_back(byte_tokens_[static_cast<unsigned char>(c)]);
          continue;
        }
      }
      if (!options_.unk_token) continue;
      if (unk_ == no_id)
        return fail(errc::format, text("the text has a character without a token, and the unk_token ",
                                       in_quotes(*options_.unk_token), " is not in the vocabulary"));
      if (unknown && !options_.fuse_unk) space.ids.push_back(unk_);
      unknown = true;
    }
    if (unknown) space.ids.push_back(unk_);
    merge_symbols(merges_, space.ids, space.merge);
    out.insert(out.end(), space.ids.begin(), space.ids.end());
    return {};
  }

  /// The token text of the character piece[from, to).
  void spell(std::string_view piece, std::size_t from, std::size_t to, std::string& symbol) const {
    symbol.clear();
    if (from > 0) symbol.append(options_.continuing_subword_prefix);
    if (options_.byte_level)
      append_byte_chars(symbol, piece.substr(from, to - from));
    else
      symbol.append(piece.substr(from, to - from));
    if (to == piece.size()) symbol.append(options_.end_of_word_suffix);
  }

  Vocabulary vocabulary_;
  Merges merges_;
  BpeOptions options_;
  Id unk_ = no_id;
  std::array<Id, 256> symbols_{};      // of a byte in byte-level files, else of an ASCII character
  std::array<Id, 256> byte_tokens_{};  // <0x00> ... <0xFF>, with byte_fallback
  bool all_bytes_ = true;
  bool cut_ = false;
  std::vector<char32_t> joined_;  // sorted
  std::vector<Id> specials_;      // sorted
};

}  // namespace molmo::inline v0::tokenizer
