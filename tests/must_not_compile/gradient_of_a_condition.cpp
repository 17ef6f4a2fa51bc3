// SPDX-License-Identifier: Apache-2.0
// A condition has no gradient.
// expect: molmo: gradient\(e, g, x\): e, g and x are real numbers
#include <molmo/expr/gradient.hpp>
#include <molmo/expr/where.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> d, molmo::View<const float, molmo::Shape<dyn, 16>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, d) = gradient(x > 0, 1, x);
#else
  molmo::on(molmo::Reference{}, d) = gradient(where(x > 0, x, 0), 1, x);
#endif
}
