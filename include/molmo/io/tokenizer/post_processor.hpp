// SPDX-License-Identifier: Apache-2.0
// PostProcessor: the ids that tokenizer.json puts before and behind a single text, such as beginning-of-text.
//
//   TemplateProcessing (`single`)   BertProcessing, RobertaProcessing (cls A sep)
//   ByteLevel (offsets only: nothing)   Sequence
// Templates for pairs of texts are not read. Anything else is refused by name, as are more than max_ids ids around a
// text.
#pragma once

#include <molmo/io/json_value.hpp>
#include <molmo/io/tokenizer/normalizer.hpp>
#include <molmo/io/tokenizer/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace molmo::inline v0::tokenizer {

class PostProcessor {
 public:
  /// From the `post_processor` of tokenizer.json, null included.
  [[nodiscard]] static result<PostProcessor> make(const json::Value& value) {
    PostProcessor p;
    if (status s = p.add(value); !s) return fail(s.error());
    return p;
  }
  /// A template may name a list of ids many times; every text gets them all.
  static constexpr std::size_t max_ids = 1024;

  [[nodiscard]] const std::vector<Id>& before() const { return before_; }
  [[nodiscard]] const std::vector<Id>& behind() const { return behind_; }

 private:
  static constexpr std::int64_t last_id = (std::numeric_limits<Id>::max)();

  [[nodiscard]] status add(const json::Value& value) {
    if (value.is_null()) return {};
    auto type = value.string("type");
    if (!type) return fail(errc::format, text("post_processor: ", type.error().message));
    if (*type == "ByteLevel") return {};
    if (*type == "TemplateProcessing") return add_template(value);
    if (*type == "BertProcessing" || *type == "RobertaProcessing") {
      auto cls = pair_id(value, "cls"), sep = pair_id(value, "sep");
      if (!cls) return fail(cls.error());
      if (!sep) return fail(sep.error());
      before_.insert(before_.begin(), *cls);
      behind_.push_back(*sep);
      return before_.size() + behind_.size() > max_ids ? too_many() : status();
    }
    if (*type == "Sequence") {
      const json::Value* all = value.present("processors");
      if (!all || !all->is_array()) return fail(errc::format, "post_processor: Sequence needs an array 'processors'");
      for (std::size_t i = 0; i < all->size(); ++i)
        if (status s = add((*all)[i]); !s) return s;
      return {};
    }
    return not_supported("post_processor", *type);
  }

  [[nodiscard]] static status too_many() {
    return fail(errc::unsupported, text("post_processor: more than ", max_ids, " ids around a text"));
  }

  /// ["</s>", 2]
  [[nodiscard]] static result<Id> pair_id(const json::Value& value, std::string_view name) {
    const json::Value* pair = value.present(name);
    if (!pair || pair->size() != 2)
      return fail(errc::format, text("post_processor: field '", name, "' must be [token, id]"));
    auto id = (*pair)[1].as_integer(name, 0, last_id);
    if (!id) return fail(id.error());
    return static_cast<Id>(*id);
  }

  /// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids": [1]}}}
  [[nodiscard]] status add_template(const json::Value& value) {
    const json::Value* single = value.present("single");
    const json::Value* specials = value.present("special_tokens");
    if (!single || !single->is_array())
      return fail(errc::format, "post_processor: TemplateProcessing needs an array 'single'");
    std::vector<Id> before, behind;
    bool text_seen = false;
    for (std::size_t i = 0; i < single->size(); ++i) {
      const json::Value& piece = (*single)[i];
      if (const json::Value* sequence = piece.present("Sequence")) {
        auto name = sequence->string("id");
        if (!name) return fail(name.error());
        if (*name != "A" || text_seen)
          return not_supported("post_processor: the template for one text has another sequence", *name);
        text_seen = true;
        continue;
      }
      const json::Value* special = piece.present("SpecialToken");
      auto name = special ? special->string("id") : result<std::string_view>(fail(errc::format, ""));
      if (!name) return fail(errc::format, "post_processor: a template is made of Sequence and SpecialToken");
      const json::Value* token = specials ? specials->present(*name) : nullptr;
      const json::Value* ids = token ? token->present("ids") : nullptr;
      if (!ids || !ids->is_array())
        return fail(errc::format, text("post_processor: special_tokens lacks the ids of ", in_quotes(*name)));
      for (std::size_t k = 0; k < ids->size(); ++k) {
        auto id = (*ids)[k].as_integer("ids", 0, last_id);
        if (!id) return fail(errc::format, text("post_processor: special_tokens: ", id.error().message));
        (text_seen ? behind : before).push_back(static_cast<Id>(*id));
        if (before.size() + behind.size() > max_ids) return too_many();
      }
    }
    if (!text_seen) return fail(errc::format, "post_processor: the template for one text lacks the text, Sequence A");
    before_.insert(before_.begin(), before.begin(), before.end());
    behind_.insert(behind_.end(), behind.begin(), behind.end());
    return before_.size() + behind_.size() > max_ids ? too_many() : status();
  }

  std::vector<Id> before_, behind_;
};

}  // namespace molmo::inline v0::tokenizer
