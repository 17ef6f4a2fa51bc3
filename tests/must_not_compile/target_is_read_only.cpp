// SPDX-License-Identifier: Apache-2.0
// The target is a view of const.
// expect: molmo: the target of on\(ctx, y\) is read-only
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<8>> y, molmo::View<const float, molmo::Shape<8>> a) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, a) = y + 1;
#else
  molmo::on(molmo::Reference{}, y) = a + 1;
#endif
}
