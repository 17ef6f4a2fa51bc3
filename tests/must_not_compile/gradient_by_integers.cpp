// SPDX-License-Identifier: Apache-2.0
// There is no gradient by integers.
// expect: molmo: gradient\(e, g, x\): e, g and x are real numbers
#include <molmo/expr/cast.hpp>
#include <molmo/expr/gradient.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> d, molmo::View<const float, molmo::Shape<dyn, 16>> x,
         molmo::View<const int, molmo::Shape<dyn, 16>> ids) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, d) = gradient(x * square(molmo::cast<float>(ids)), 1, ids);
#else
  molmo::on(molmo::Reference{}, d) = gradient(x * square(molmo::cast<float>(ids)), 1, x);
#endif
}
