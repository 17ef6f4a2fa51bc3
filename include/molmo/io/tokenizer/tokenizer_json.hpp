// SPDX-License-Identifier: Apache-2.0
// read_tokenizer_json(text): the parts of a tokenizer.json, streamed: vocabulary and merges go straight into their
// tables, only the short descriptions of the pipeline become trees.
//
// Ignored on purpose: `truncation` and `padding`, which belong to whoever makes batches. Errors name the field; a model
// other than BPE is errc::unsupported. Memory and time are linear in the file.
#pragma once

#include <molmo/io/json.hpp>
#include <molmo/io/tokenizer/added_tokens.hpp>
#include <molmo/io/tokenizer/bpe.hpp>
#include <molmo/io/tokenizer/normalizer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::tokenizer {

struct TokenizerJson {
  Vocabulary vocabulary;
  MergeTexts merges;
  std::vector<AddedToken> added_tokens;
  json::Value model = json::Value::object();  // its short fields
  json::Value version, normalizer, pre_tokenizer, post_processor, decoder;
};

/// The events of the file, sorted into a TokenizerJson.
class TokenizerJsonReader : public json::Handler {
 public:
  TokenizerJson parts;
  bool has_vocabulary = false, has_merges = false;

  bool null() {
    return forward([](json::Builder& b) { return b.null(); });
  }
  bool boolean(bool v) {
    return forward([v](json::Builder& b) { return b.boolean(v); });
  }
  bool negative(std::int64_t n) {
    return forward([n](json::Builder& b) { return b.negative(n); });
  }
  bool unsigned_integer(std::uint64_t n) {
    if (!building_ && at_ == At::vocabulary) return check(parts.vocabulary.add(key_, n));
    return forward([n](json::Builder& b) { return b.unsigned_integer(n); });
  }
  bool number(double x, std::string_view s) {
    return forward([x, s](json::Builder& b) { return b.number(x, s); });
  }
  bool string(std::string& s) {
    if (!building_ && at_ == At::merges) return merge_line(s);
    if (!building_ && at_ == At::merge) {
      if (pair_size_ < 2) pair_[pair_size_] = std::move(s);
      ++pair_size_;
      return true;
    }
    return forward([&s](json::Builder& b) { return b.string(s); });
  }
  bool key(std::string& k) {
    if (building_) return builder_.key(k);
    key_ = std::move(k);
    return true;
  }
  bool start_object() {
    if (!building_ && at_ == At::nothing) return enter(At::root);
    if (!building_ && at_ == At::root && key_ == "model") return enter(At::model);
    if (!building_ && at_ == At::model && key_ == "vocab") return enter(At::vocabulary);
    return forward([](json::Builder& b) { return b.start_object(); });
  }
  bool end_object() {
    if (building_) return forward([](json::Builder& b) { return b.end_object(); });
    return enter(at_ == At::vocabulary ? At::model : at_ == At::model ? At::root : At::nothing);
  }
  bool start_array() {
    if (!building_ && at_ == At::root && key_ == "added_tokens") return enter(At::added);
    if (!building_ && at_ == At::model && key_ == "merges") return enter(At::merges);
    if (!building_ && at_ == At::model && key_ == "vocab")
      return refuse(errc::unsupported, "model: the vocabulary is a list, as in Unigram models; only BPE is supported");
    if (!building_ && at_ == At::merges) {
      pair_size_ = 0;
      return enter(At::merge);
    }
    return forward([](json::Builder& b) { return b.start_array(); });
  }
  bool end_array() {
    if (building_) return forward([](json::Builder& b) { return b.end_array(); });
    if (at_ != At::merge) return enter(at_ == At::merges ? At::model : At::root);
    if (pair_size_ != 2) return bad_merge();
    parts.merges.add(pair_[0], pair_[1]);
    return enter(At::merges);
  }

 private:
  enum class At : std::uint8_t { nothing, root, model, vocabulary, merges, merge, added };

  bool enter(At at) {
    at_ = at;
    has_vocabulary |= at == At::vocabulary;
    has_merges |= at == At::merges;
    return true;
  }
  bool check(const status& s) { return s || refuse(s.error().code, s.error().message); }
  bool bad_merge() {
    return refuse(errc::format,
                  text("merge ", parts.merges.size(), " is neither \"left right\" nor [\"left\", \"right\"]"));
  }

  bool bad_shape(bool object) {
    return refuse(errc::format, text("field ", in_quotes(key_), " must be ", object ? "an object" : "an array"));
  }

  /// "left right", with exactly one space
  bool merge_line(const std::string& s) {
    if (s.starts_with("#version")) return true;
    const std::size_t space = s.find(' ');
    if (space == s.npos || s.find(' ', space + 1) != s.npos) return bad_merge();
    parts.merges.add(std::string_view(s).substr(0, space), std::string_view(s).substr(space + 1));
    return true;
  }

  /// An event of a value that becomes a tree.
  template <class Send>
  bool forward(Send send) {
    if (!building_) {
      if (at_ == At::nothing) return refuse(errc::format, "a tokenizer must be a JSON object");
      if (at_ == At::vocabulary)
        return refuse(errc::format,
                      text("token ", in_quotes(key_), " has an id that is not an integer from 0 to 2147483647"));
      if (at_ == At::merges || at_ == At::merge) return bad_merge();
      if (at_ == At::root && (key_ == "model" || key_ == "added_tokens")) return bad_shape(key_ == "model");
      if (at_ == At::model && (key_ == "vocab" || key_ == "merges")) return bad_shape(key_ == "vocab");
      builder_ = json::Builder(10'000);
      building_ = true;
    }
    if (!send(builder_)) return refuse(builder_.stop_reason.code, builder_.stop_reason.message);
    if (!builder_.done()) return true;
    building_ = false;
    json::Value v = builder_.take();
    if (at_ == At::added) return add_token(v);
    if (at_ == At::model) {
      parts.model.append(std::move(key_), std::move(v));
      return true;
    }
    for (const auto& [name, place] : {std::pair<std::string_view, json::Value*>{"version", &parts.version},
                                      {"normalizer", &parts.normalizer},
                                      {"pre_tokenizer", &parts.pre_tokenizer},
                                      {"post_processor", &parts.post_processor},
                                      {"decoder", &parts.decoder}})
      if (key_ == name) {
        *place = std::move(v);
        break;
      }
    return true;
  }

  bool add_token(const json::Value& v) {
    json::Fields f(v, "added_tokens[].");
    AddedToken t;
    t.id = static_cast<Id>(f.integer("id", 0, (std::numeric_limits<Id>::max)()));
    t.content = f.string("content");
    t.special = f.boolean_or("special", false);
    t.normalized = f.boolean_or("normalized", !t.special);
    t.single_word = f.boolean_or("single_word", false);
    t.lstrip = f.boolean_or("lstrip", false);
    t.rstrip = f.boolean_or("rstrip", false);
    if (!f.ok()) return refuse(f.error().code, f.error().message);
    parts.added_tokens.push_back(std::move(t));
    return true;
  }

  At at_ = At::nothing;
  bool building_ = false;
  json::Builder builder_;
  std::string key_;
  std::string pair_[2];
  std::size_t pair_size_ = 0;
};

/// The options of the BPE model. Errors: another model, dropout, affixes of unreasonable length.
[[nodiscard]] inline result<BpeOptions> read_bpe_options(const json::Value& model) {
  json::Fields f(model, "model.");
  BpeOptions o;
  const std::string_view type = f.string_or("type", "BPE");
  if (f.ok() && type != "BPE") return not_supported("model", type);
  if (f.number_or("dropout", 0, 1, 0) > 0) return not_supported("model:", "dropout");
  if (f.has("unk_token")) o.unk_token = std::string(f.string("unk_token"));
  o.continuing_subword_prefix = f.string_or("continuing_subword_prefix", "");
  o.end_of_word_suffix = f.string_or("end_of_word_suffix", "");
  o.fuse_unk = f.boolean_or("fuse_unk", false);
  o.byte_fallback = f.boolean_or("byte_fallback", false);
  o.ignore_merges = f.boolean_or("ignore_merges", false);
  if (!f.ok()) return fail(f.error());
  if (o.continuing_subword_prefix.size() > 64 || o.end_of_word_suffix.size() > 64)
    return fail(errc::unsupported, "model: continuing_subword_prefix or end_of_word_suffix is longer than 64 bytes");
  return o;
}

/// The file's parts; vocabulary finished.
[[nodiscard]] inline result<TokenizerJson> read_tokenizer_json(std::string_view json, std::string_view source) {
  TokenizerJsonReader reader;
  const json::Options options{.source = source, .max_bytes = std::size_t{1} << 30};
  if (status s = json::parse_sax(json, reader, options); !s) return fail(s.error());
  TokenizerJson& parts = reader.parts;
  if (!parts.version.is_null()) {
    const auto version = parts.version.as_string("version");
    if (!version || *version != "1.0") return not_supported("tokenizer.json: version", parts.version.describe());
  }
  if (const auto bpe = read_bpe_options(parts.model); !bpe) return fail(bpe.error());  // names a model that is no BPE
  if (!reader.has_vocabulary || !reader.has_merges)
    return fail(errc::format, "the file has no model with 'vocab' and 'merges'");
  if (status s = parts.vocabulary.finish(); !s) return fail(s.error());
  return std::move(parts);
}

}  // namespace molmo::inline v0::tokenizer
