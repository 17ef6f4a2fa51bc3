// SPDX-License-Identifier: Apache-2.0
// A mask is copied like a number: what it needs lies elsewhere.
// expect: molmo: mask\(f\): what f holds is copied like a number
#include <molmo/ops/attention/attend.hpp>

#include <vector>

using namespace molmo;

void run(View<float, Shape<dyn, 2, 8>> x, View<float, Shape<dyn, 2, 8>> y, const std::vector<int>& ends) {
#ifdef MOLMO_MISTAKE
  on(Reference{}, y) = attend(x, x, x).where(mask([ends](index_t q, index_t k) { return k < ends[0] + q; }));
#else
  on(Reference{}, y) = attend(x, x, x).where(mask([e = ends.data()](index_t q, index_t k) { return k < e[0] + q; }));
#endif
}
