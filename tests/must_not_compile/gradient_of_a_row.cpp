// SPDX-License-Identifier: Apache-2.0
// What is the same for every token has a sum for a gradient.
// expect: molmo: gradient\(e, g, x\): x is spread over e
#include <molmo/expr/gradient.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 16>> d, molmo::View<const float, molmo::Shape<dyn, 16>> x,
         molmo::View<const float, molmo::Shape<16>> row) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, d) = gradient(x * row, 1, row);
#else
  molmo::on(molmo::Reference{}, d) = gradient_terms(x * row, 1, row);
#endif
}
