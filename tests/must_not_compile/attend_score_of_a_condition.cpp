// SPDX-License-Identifier: Apache-2.0
// A score is a number, not a condition.
// expect: molmo: .score\(e\): e is a score, a real number
#include <molmo/expr/where.hpp>
#include <molmo/ops/attention/attend.hpp>

void run(molmo::View<float, molmo::Shape<molmo::dyn, 2, 8>> o, molmo::View<float, molmo::Shape<molmo::dyn, 2, 8>> q) {
#ifdef MOLMO_MISTAKE
  on(molmo::Reference{}, o) = attend(q, q, q).score(molmo::score > 0);
#else
  on(molmo::Reference{}, o) = attend(q, q, q).score(molmo::where(molmo::score > 0, molmo::score, 0));
#endif
}
