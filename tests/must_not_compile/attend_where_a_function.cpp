// SPDX-License-Identifier: Apache-2.0
// A function becomes a mask by mask(f).
// expect: molmo: attend\(...\).where\(m\): m is a mask, like causal && within\(w\); a function is mask\(f\)
#include <molmo/ops/attention/attend.hpp>

void run(molmo::View<float, molmo::Shape<molmo::dyn, 2, 8>> o, molmo::View<float, molmo::Shape<molmo::dyn, 2, 8>> q) {
  const auto f = [](molmo::index_t query, molmo::index_t key) { return key < query; };
#ifdef MOLMO_MISTAKE
  on(molmo::Reference{}, o) = attend(q, q, q).where(f);
#else
  on(molmo::Reference{}, o) = attend(q, q, q).where(molmo::mask(f));
#endif
}
