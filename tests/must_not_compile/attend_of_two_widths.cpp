// SPDX-License-Identifier: Apache-2.0
// Queries and keys are equally wide; values may be of another width.
// expect: molmo: attend\(q, k, v\) needs q
// expect: attend_mismatch<.*4, 8.*2, 6
#include <molmo/ops/attention/attend.hpp>

using namespace molmo;
#ifdef MOLMO_MISTAKE
constexpr index_t width = 6;
#else
constexpr index_t width = 8;
#endif

void run(View<const float, Shape<dyn, 4, 8>> q, View<const float, Shape<dyn, 2, width>> k,
         View<const float, Shape<dyn, 2, 16>> v, View<float, Shape<dyn, 4, 16>> o) {
  on(Reference{}, o) = attend(q, k, v);
}
