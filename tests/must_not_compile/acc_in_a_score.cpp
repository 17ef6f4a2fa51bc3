// SPDX-License-Identifier: Apache-2.0
// In a score edit the element is called score; acc belongs to a matmul.
// expect: molmo: acc is what a matmul is about to store; in attend\(q, k, v\).score
#include <molmo/ops/attention/attend.hpp>

using namespace molmo;

void run(View<float, Shape<dyn, 2, 8>> x, View<float, Shape<dyn, 2, 8>> y) {
#ifdef MOLMO_MISTAKE
  on(Reference{}, y) = attend(x, x, x).score(softcap(acc, 50));
#else
  on(Reference{}, y) = attend(x, x, x).score(softcap(score, 50));
#endif
}
