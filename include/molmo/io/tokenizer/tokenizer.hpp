// SPDX-License-Identifier: Apache-2.0
// Tokenizer: text <-> token ids, from a Hugging Face tokenizer.json with a BPE model.
//
//   text -> added tokens cut out -> normalizer -> pre-tokenizer -> BPE -> post-processor -> ids
//   ids -> decoder -> text
//   auto t = molmo::Tokenizer::from_file("model/tokenizer.json");
//   auto ids = t->encode("Once upon a time");  t->decode(*ids);
// The ids are those of Hugging Face tokenizers 0.22; what a file asks for and this library does not do is an error when
// it is loaded. All const members may be called by any number of threads. Speed: merges.hpp and split.hpp.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/io/mapped_file.hpp>
#include <molmo/io/tokenizer/added_tokens.hpp>
#include <molmo/io/tokenizer/bpe.hpp>
#include <molmo/io/tokenizer/decoder.hpp>
#include <molmo/io/tokenizer/post_processor.hpp>
#include <molmo/io/tokenizer/pre_tokenizer.hpp>
#include <molmo/io/tokenizer/tokenizer_json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

struct EncodeOptions {
  /// Put the post-processor's tokens (beginning and end of text) around the ids.
  bool add_special = true;
  /// Let special tokens that are spelled out in the text, such as <|endoftext|>, become those tokens. Hugging Face's
  /// default is true; here it is false, because text usually comes from somebody else.
  bool parse_special = false;
};

class Tokenizer {
 public:
  /// The tokenizer at `tokenizer_json`. errc::not_found, errc::io, errc::format (damaged), errc::unsupported (says
  /// what).
  [[nodiscard]] static result<Tokenizer> from_file(const std::filesystem::path& tokenizer_json) {
    return without_bad_alloc("reading a tokenizer", [&]() -> result<Tokenizer> {
      const std::string path = tokenizer_json.string();
      result<MappedFile> file = MappedFile::open(path, {.copy = true, .max_bytes = std::uint64_t{1} << 30});
      if (!file) return fail(file.error());
      return make(file->chars(), in_quotes(path, 400));
    });
  }
  /// The same from the file's text.
  [[nodiscard]] static result<Tokenizer> from_json(std::string_view json) {
    return without_bad_alloc("reading a tokenizer", [&] { return make(json, "tokenizer.json"); });
  }

  /// The ids of a text of at most 1 GiB. errc::invalid_argument where it is not UTF-8, with the byte offset, or too
  /// long; errc::unsupported where the file asks for steps that make this text more than 16 times longer.
  [[nodiscard]] result<std::vector<std::int32_t>> encode(std::string_view utf8, EncodeOptions options = {}) const {
    return without_bad_alloc("encoding a text", [&]() -> result<std::vector<std::int32_t>> {
      if (utf8.size() > longest_text)
        return fail(errc::invalid_argument,
                    text("the text has ", utf8.size(), " bytes; encode it in parts of 1 GiB at most"));
      if (const auto bad = tokenizer::first_invalid_utf8(utf8))
        return fail(errc::invalid_argument,
                    text("the text is not UTF-8: the byte at offset ", *bad, " does not begin a valid character"));
      Run run{*this, options.parse_special, tokenizer::Growth(utf8.size())};
      if (options.add_special) run.ids = post_processor_.before();
      run.ids.reserve(run.ids.size() + utf8.size() / 4 + 16);
      run.raw(utf8);
      if (!run.problem) return fail(run.problem.error());
      if (run.growth.exceeded()) return tokenizer::Growth::error();
      if (options.add_special)
        run.ids.insert(run.ids.end(), post_processor_.behind().begin(), post_processor_.behind().end());
      return std::move(run.ids);
    });
  }

  /// The text of `ids`, always valid UTF-8. Ids that are no tokens are skipped, as are special tokens while
  /// `skip_special`. This cannot fail: from_file() has refused decoders that make a token more than 64 times longer.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const {
    std::string out;
    tokenizer::Decoder::State state;
    for (const std::int32_t id : ids) push(id, skip_special, state, out);
    decoder_.finish(state, out);
    return out;
  }

  /// One more than the largest id, so that all ids index arrays of this size.
  [[nodiscard]] index_t size() const { return size_; }
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) const {
    if (const tokenizer::AddedToken* t = added_.by_content(token)) return t->id;
    const std::int32_t id = bpe_.vocabulary().find(token);
    return id == tokenizer::no_id ? std::nullopt : std::optional(id);
  }
  /// The token as the file spells it (byte-level files write a space as U+0120); empty where there is none.
  [[nodiscard]] std::string_view token(std::int32_t id) const MOLMO_LIFETIMEBOUND {
    return token_of(id).value_or(std::string_view());
  }
  [[nodiscard]] bool is_special(std::int32_t id) const {
    return std::binary_search(specials_.begin(), specials_.end(), id);
  }

 private:
  friend class StreamDecoder;
  static constexpr std::size_t longest_text = std::size_t{1} << 30;

  /// One call of encode().
  struct Run {
    const Tokenizer& t;
    bool special;
    tokenizer::Growth growth;
    std::vector<std::int32_t> ids{};
    status problem{};
    tokenizer::BpeSpace bpe{};
    tokenizer::PreTokenizer::Space pieces{};
    tokenizer::AddedTokenFinder::Space raw_hits{}, normal_hits{};
    std::string normalized{};

    bool token(std::int32_t id) {
      ids.push_back(id);
      return true;
    }
    void raw(std::string_view all) {
      t.raw_tokens_.cut(
          all, special, raw_hits, [&](std::int32_t id) { return token(id); },
          [&](std::size_t from, std::size_t to) {
            auto s = t.normalizer_.apply(all.substr(from, to - from), normalized, growth);
            if (!s) {
              problem = fail(s.error());
              return false;
            }
            return normal(*s, from == 0);
          });
    }
    bool normal(std::string_view all, bool at_start) {
      return t.normalized_tokens_.cut(
          all, special, normal_hits, [&](std::int32_t id) { return token(id); },
          [&](std::size_t from, std::size_t to) {
            return t.pre_tokenizer_.cut(all.substr(from, to - from), at_start && from == 0, pieces, growth,
                                        [&](std::string_view piece) {
                                          if (status s = t.bpe_.encode(piece, bpe, ids); !s) problem = fail(s.error());
                                          return problem.has_value();
                                        });
          });
    }
  };

  [[nodiscard]] static result<Tokenizer> make(std::string_view json, std::string_view source) {
    auto t = make_unnamed(json, source);
    if (t || t.error().message.starts_with(source)) return t;
    return fail(t.error().code, text(source, ": ", t.error().message));
  }
  [[nodiscard]] static result<Tokenizer> make_unnamed(std::string_view json, std::string_view source) {
    Tokenizer t;
    auto parts = tokenizer::read_tokenizer_json(json, source);
    if (!parts) return fail(parts.error());
    auto options = tokenizer::read_bpe_options(parts->model);
    if (!options) return fail(options.error());
    auto normalizer = tokenizer::Normalizer::make(parts->normalizer);
    if (!normalizer) return fail(normalizer.error());
    auto pre_tokenizer = tokenizer::PreTokenizer::make(parts->pre_tokenizer);
    if (!pre_tokenizer) return fail(pre_tokenizer.error());
    auto post_processor = tokenizer::PostProcessor::make(parts->post_processor);
    if (!post_processor) return fail(post_processor.error());
    auto decoder = tokenizer::Decoder::make(parts->decoder);
    if (!decoder) return fail(decoder.error());
    auto added = tokenizer::AddedTokens::make(std::move(parts->added_tokens), parts->vocabulary);
    if (!added) return fail(added.error());
    options->byte_level = pre_tokenizer->byte_level();
    for (const tokenizer::AddedToken& token : added->tokens())
      if (token.special) t.specials_.push_back(token.id);
    auto bpe = tokenizer::Bpe::make(std::move(parts->vocabulary), parts->merges, std::move(*options), t.specials_);
    if (!bpe) return fail(bpe.error());
    t.normalizer_ = std::move(*normalizer);
    t.pre_tokenizer_ = std::move(*pre_tokenizer);
    t.post_processor_ = std::move(*post_processor);
    t.decoder_ = std::move(*decoder);
    t.added_ = std::move(*added);
    t.bpe_ = std::move(*bpe);
    if (status s = t.finish(); !s) return fail(s.error());
    return t;
  }

  [[nodiscard]] status finish() {
    size_ = bpe_.vocabulary().end();
    std::string space;
    std::size_t bytes = 0;
    for (const tokenizer::AddedToken& t : added_.tokens()) bytes += t.content.size();
    tokenizer::Growth growth(bytes);
    for (const bool special : {true, false}) {  // of tokens that are normalised to the same text, special ones win
      for (const tokenizer::AddedToken& t : added_.tokens()) {
        if (t.special != special) continue;
        size_ = (std::max)(size_, index_t{t.id} + 1);
        if (!t.normalized) {
          raw_tokens_.add(t, t.content);
          continue;
        }
        auto content = normalizer_.apply(t.content, space, growth);
        if (!content) return fail(content.error());
        normalized_tokens_.add(t, std::string(*content));
      }
    }
    if (status s = raw_tokens_.finish(); !s) return s;
    if (status s = normalized_tokens_.finish(); !s) return s;
    for (const auto* ids : {&post_processor_.before(), &post_processor_.behind()})
      for (const std::int32_t id : *ids)
        if (!token_of(id)) return fail(errc::format, text("post_processor: there is no token with the id ", id));
    return {};
  }

  [[nodiscard]] std::optional<std::string_view> token_of(std::int32_t id) const {
    if (const auto t = bpe_.vocabulary().token(id)) return t;
    if (const tokenizer::AddedToken* t = added_.by_id(id)) return std::string_view(t->content);
    return std::nullopt;
  }
  void push(std::int32_t id, bool skip_special, tokenizer::Decoder::State& state, std::string& out) const {
    if (skip_special && is_special(id)) return;
    if (const auto t = token_of(id)) decoder_.push(*t, state, out);
  }

  tokenizer::Bpe bpe_;
  tokenizer::AddedTokens added_;
  tokenizer::AddedTokenFinder raw_tokens_, normalized_tokens_;
  tokenizer::Normalizer normalizer_;
  tokenizer::PreTokenizer pre_tokenizer_;
  tokenizer::PostProcessor post_processor_;
  tokenizer::Decoder decoder_;
  std::vector<std::int32_t> specials_;  // ascending
  index_t size_ = 0;
};

/// Decodes ids one by one: the texts of all push() and of finish(), put together, are Tokenizer::decode of all ids, and
/// none ends within a character. Allocates nothing once its buffers have grown to the longest token.
class StreamDecoder {
 public:
  /// `tokenizer` must outlive this.
  explicit StreamDecoder(const Tokenizer& tokenizer MOLMO_LIFETIMEBOUND, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}
  explicit StreamDecoder(Tokenizer&&, bool = true) = delete;

  /// The text that `id` completes, perhaps none; valid until the next call.
  [[nodiscard]] std::string_view push(std::int32_t id) MOLMO_LIFETIMEBOUND {
    out_.clear();
    tokenizer_->push(id, skip_special_, state_, out_);
    return out_;
  }
  /// What was held back, with U+FFFD for broken characters. The next push() begins a new text.
  [[nodiscard]] std::string_view finish() MOLMO_LIFETIMEBOUND {
    out_.clear();
    tokenizer_->decoder_.finish(state_, out_);
    return out_;
  }

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  tokenizer::Decoder::State state_;
  std::string out_;
};

}  // namespace molmo::inline v0
