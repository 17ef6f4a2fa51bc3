// SPDX-License-Identifier: Apache-2.0
// The target has another width than the expression.
// expect: molmo: the target of on\(ctx, y\) = .* has another shape
// expect: 4096
// expect: 4097
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<4096>> y, molmo::View<const float, molmo::Shape<4096>> a,
         molmo::View<const float, molmo::Shape<4097>> c) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = silu(c);
  (void)a;
#else
  molmo::on(molmo::Reference{}, y) = silu(a);
  (void)c;
#endif
}
