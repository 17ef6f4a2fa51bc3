// SPDX-License-Identifier: Apache-2.0
// The gradient is by what lies in memory.
// expect: molmo: gradient\(e, g, x\): x is a tensor or a view that e reads
#include <molmo/expr/gradient.hpp>

void run(molmo::View<float, molmo::Shape<16>> d, molmo::View<const float, molmo::Shape<16>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, d) = gradient(silu(x * 2), 1, x * 2);
#else
  molmo::on(molmo::Reference{}, d) = gradient(silu(x * 2), 1, x);
#endif
}
