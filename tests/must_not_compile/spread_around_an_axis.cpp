// SPDX-License-Identifier: Apache-2.0
// An operand that is the same along the first and the third axis, and differs along the second.
// expect: molmo: on\(ctx, y\) = e: an operand of e spreads over axes on both sides of one that it has
#include <molmo/expr/assign.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 2, 3, 8>> y, molmo::View<float, molmo::Shape<2, 1, 8>> groups,
         molmo::View<float, molmo::Shape<2, 3, 8>> all) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) += groups;
  (void)all;
#else
  molmo::on(molmo::Reference{}, all) += groups;
  molmo::on(molmo::Reference{}, y) += all;
#endif
}
