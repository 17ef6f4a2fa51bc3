// SPDX-License-Identifier: Apache-2.0
// A format that the library's list does not have has no number.
// expect: molmo: this weight format is not in the list
#include <molmo/formats/weight.hpp>

struct Mine {
  static constexpr const char* name = "mine";
  static constexpr molmo::index_t block = 1, bytes = 1;
  static void decode(const std::byte* p, float* out) { *out = static_cast<float>(*p); }
};

molmo::Weight<molmo::Shape<16, 64>> run(const std::byte* p) {
#ifdef MOLMO_MISTAKE
  return {p, molmo::format_id<Mine>};
#else
  static_assert(molmo::WeightFormat<Mine>);
  return {p, molmo::format_id<molmo::Bf16>};
#endif
}
