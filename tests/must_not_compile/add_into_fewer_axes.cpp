// SPDX-License-Identifier: Apache-2.0
// y += e, where e is larger than y.
// expect: molmo: the target of on\(ctx, y\) = .* has another shape
#include <molmo/expr/assign.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<8>> y, molmo::View<float, molmo::Shape<dyn, 8>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) += x;
#else
  molmo::on(molmo::Reference{}, x) += y;
#endif
}
