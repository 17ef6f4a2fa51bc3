// SPDX-License-Identifier: Apache-2.0
// Molmo's bidirectional attention among image tokens. Each is joined to the causal mask: causal || within_image(s),
// before padding is taken away. `s` numbers the positions: -1 for text, else the image (or side) that a token is of.
//
//   image_tokens(s)         both are image tokens                                  VideoOlmo, Molmo2
//   within_image(s)         both, and the key's image is the query's or an earlier one    Molmo, Molmo2 (training)
//   within_image_strict(s)  both, and of the same image: `within_image` of HeMolmo
//   within_resolution(s)    the same rule; s numbers the sides of the first <im_end>: see number_resolutions
//   image_to_question(image, response)   an image token sees every key that is no response        VideoOlmo
// The functions number_images and number_resolutions make s from a prompt.
#pragma once

#include <molmo/ops/attention/masks.hpp>

namespace molmo::inline v0 {

namespace detail::inline MOLMO_ISA {

struct both_images {
  MOLMO_HD static constexpr bool sees(std::int32_t q, std::int32_t k) { return q >= 0 && k >= 0; }
  MOLMO_HD static constexpr Sees over(LabelRange q, LabelRange k) {
    if (q.most < 0 || k.most < 0) return Sees::none;
    return q.least >= 0 && k.least >= 0 ? Sees::all : Sees::some;
  }
};
struct same_or_earlier_image {
  MOLMO_HD static constexpr bool sees(std::int32_t q, std::int32_t k) { return k >= 0 && k <= q; }
  MOLMO_HD static constexpr Sees over(LabelRange q, LabelRange k) {
    if (q.most < 0 || k.most < 0 || k.least > q.most) return Sees::none;
    return k.least >= 0 && k.most <= q.least ? Sees::all : Sees::some;
  }
};
struct same_image {
  MOLMO_HD static constexpr bool sees(std::int32_t q, std::int32_t k) { return q >= 0 && q == k; }
  MOLMO_HD static constexpr Sees over(LabelRange q, LabelRange k) {
    return q.most < 0 || k.most < 0 ? Sees::none : same_label::over(q, k);
  }
};

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Image tokens see each other, of whichever image.
[[nodiscard]] constexpr Labelled<detail::both_images> image_tokens(const std::int32_t* s) { return {s, s}; }
/// Image tokens see those of their own image and of earlier ones.
[[nodiscard]] constexpr Labelled<detail::same_or_earlier_image> within_image(const std::int32_t* s) { return {s, s}; }
/// Image tokens see those of their own image only.
[[nodiscard]] constexpr Labelled<detail::same_image> within_image_strict(const std::int32_t* s) { return {s, s}; }
/// Image tokens see those of the same resolution: the two sides of the first end of an image.
[[nodiscard]] constexpr Labelled<detail::same_image> within_resolution(const std::int32_t* s) { return {s, s}; }
/// Image tokens see all keys but the response. Both arrays hold a flag per position.
[[nodiscard]] constexpr auto image_to_question(const std::uint8_t* image, const std::uint8_t* response) {
  return queries_where(image) && !keys_where(response);
}

/// What a position of a prompt is to number_images and number_resolutions.
enum class ImageToken : std::uint8_t { text, image, start, end };

/// s of the `n` positions: the number of image starts up to and with each image token, less one; -1 for text. Starts
/// are those tokens that begin an image (for Molmo: the low-resolution start where it is used, else <im_start>).
inline void number_images(const ImageToken* kinds, index_t n, std::int32_t* s) {
  std::int32_t image = -1;
  for (index_t i = 0; i < n; ++i) {
    image += kinds[i] == ImageToken::start;
    s[i] = kinds[i] == ImageToken::text ? -1 : image < 0 ? 0 : image;
  }
}
/// s of the `n` positions: 0 for image tokens up to and with the first end of an image, 1 behind it, -1 for text.
inline void number_resolutions(const ImageToken* kinds, index_t n, std::int32_t* s) {
  std::int32_t side = 0;
  for (index_t i = 0; i < n; ++i) {
    s[i] = kinds[i] == ImageToken::text ? -1 : side;
    if (kinds[i] == ImageToken::end) side = 1;
  }
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
