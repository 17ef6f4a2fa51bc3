// SPDX-License-Identifier: Apache-2.0
// Molmo's modes of attention among image tokens, against the rules as semantics are written, on a prompt of three
// images (the first in two resolutions) and on random ones.
#include <molmo/ops/attention/image_masks.hpp>

#include "ops/attention/mask_support.hpp"

#include <string>

using namespace molmo;
using namespace molmo_test;

namespace {

// A prompt by letters: t text, < start, i image, > end.
struct Prompt {
  std::vector<ImageToken> kinds;
  std::vector<std::int32_t> images, sides;
  index_t n;

  explicit Prompt(const std::string& letters) : n(static_cast<index_t>(letters.size())) {
    for (const char c : letters)
      kinds.push_back(c == '<' ? ImageToken::start : c == '>' ? ImageToken::end : c == 'i' ? ImageToken::image : ImageToken::text);
    images.resize(kinds.size());
    sides.resize(kinds.size());
    number_images(kinds.data(), n, images.data());
    number_resolutions(kinds.data(), n, sides.data());
  }
  bool image(index_t i) const { return kinds[static_cast<std::size_t>(i)] != ImageToken::text; }
  // cumsum of the starts, less one
  std::int32_t segment(index_t i) const {
    std::int32_t sum = -1;
    for (index_t j = 0; j <= i; ++j) sum += kinds[static_cast<std::size_t>(j)] == ImageToken::start;
    return sum;
  }
  bool behind_first_end(index_t i) const {
    for (index_t j = 0; j < i; ++j)
      if (kinds[static_cast<std::size_t>(j)] == ImageToken::end) return true;
    return false;
  }
};

}  // namespace

TEST_CASE("image masks: every mode, joined to causal and to padding") {
  const Prompt p("t<iiiiii><iiiiiiiiiiii>ttt<iiii>tttttt<iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii>tttttttttttttttttttttttttttttttttt");
  std::vector<std::uint8_t> valid(p.kinds.size(), 1);
  for (std::size_t i = valid.size() - 7; i < valid.size(); ++i) valid[i] = 0;
  const auto padded = [&](index_t k) { return valid[static_cast<std::size_t>(k)] != 0; };
  const std::int32_t* s = p.images.data();
  check_mask((causal || image_tokens(s)) && keys_where(valid.data()),
             [&](index_t q, index_t k, index_t) { return (k <= q || (p.image(q) && p.image(k))) && padded(k); }, p.n);
  check_mask(causal || within_image(s), [&](index_t q, index_t k, index_t) {
    return k <= q || (p.image(q) && p.image(k) && p.segment(k) <= p.segment(q));
  }, p.n);
  check_mask(causal || within_image_strict(s), [&](index_t q, index_t k, index_t) {
    return k <= q || (p.image(q) && p.image(k) && p.segment(k) == p.segment(q));
  }, p.n);
  check_mask(causal || within_resolution(p.sides.data()), [&](index_t q, index_t k, index_t) {
    return k <= q || (p.image(q) && p.image(k) && p.behind_first_end(k) == p.behind_first_end(q));
  }, p.n);
  check_mask(image_tokens(s), [&](index_t q, index_t k, index_t) { return p.image(q) && p.image(k); }, p.n, true);
  std::vector<std::uint8_t> image(valid.size()), response(valid.size());
  for (index_t i = 0; i < p.n; ++i) image[static_cast<std::size_t>(i)] = p.image(i), response[static_cast<std::size_t>(i)] = i > 90;
  check_mask(causal || image_to_question(image.data(), response.data()),
             [&](index_t q, index_t k, index_t) { return k <= q || (p.image(q) && k <= 90); }, p.n);
}
