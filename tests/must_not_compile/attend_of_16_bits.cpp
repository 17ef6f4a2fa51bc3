// SPDX-License-Identifier: Apache-2.0
// Attention reads floats.
// expect: molmo: attend\(q, k, v\) needs q \[n, H, d\], k \[m, G, d\] and v \[m, G, dv\] of floats
#include <molmo/ops/attention/attend.hpp>

template <class T>
using Heads = molmo::View<T, molmo::Shape<molmo::dyn, 2, 8>>;

void run(Heads<float> o, Heads<float> q, Heads<molmo::bf16> narrow) {
#ifdef MOLMO_MISTAKE
  on(molmo::Reference{}, o) = attend(narrow, q, q).where(molmo::causal);
#else
  on(molmo::Reference{}, o) = attend(q, q, q).where(molmo::causal);
#endif
  (void)narrow;
}
