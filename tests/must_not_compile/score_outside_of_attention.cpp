// SPDX-License-Identifier: Apache-2.0
// score is a score of attention: in a pass of its own it has no value.
// expect: molmo: score has a value in attend\(q, k, v\).score\(...\) only
#include <molmo/ops/attention/attend.hpp>

using namespace molmo;

void run(View<float, Shape<dyn, 2, 8>> x, View<float, Shape<dyn, 2, 8>> y) {
#ifdef MOLMO_MISTAKE
  on(Reference{}, y) = x + score;
#else
  on(Reference{}, y) = attend(x, x, x).score(softcap(score, 50));
#endif
}
