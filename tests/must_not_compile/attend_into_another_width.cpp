// SPDX-License-Identifier: Apache-2.0
// The target of attend is as wide as the values.
// expect: molmo: the target of attend\(q, k, v\) has the tokens and heads of q and the width of v
#include <molmo/ops/attention/attend.hpp>

using namespace molmo;
#ifdef MOLMO_MISTAKE
constexpr index_t width = 8;
#else
constexpr index_t width = 16;
#endif

void run(View<const float, Shape<dyn, 4, 8>> q, View<const float, Shape<dyn, 2, 8>> k,
         View<const float, Shape<dyn, 2, 16>> v, View<float, Shape<dyn, 4, width>> o) {
  on(Reference{}, o) = attend(q, k, v);
}
