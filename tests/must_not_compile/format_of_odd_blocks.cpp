// SPDX-License-Identifier: Apache-2.0
// Kernels decode 256 weights at once: a format of one's own whose blocks do not divide them has no format_id.
// expect: molmo: the blocks of a weight format divide 256 weights
#include <molmo/formats/weight.hpp>

template <molmo::index_t Block>
struct Mine {
  static constexpr const char* name = "mine";
  static constexpr molmo::index_t block = Block, bytes = Block;
  static void decode(const std::byte* p, float* out) {
    for (molmo::index_t i = 0; i < block; ++i) out[i] = static_cast<float>(p[i]);
  }
};

molmo::Weight<molmo::Shape<16, 48>> run(const std::byte* p) {
#ifdef MOLMO_MISTAKE
  return {p, molmo::format_id<Mine<24>>};
#else
  return {p, molmo::format_id<Mine<16>>};
#endif
}
