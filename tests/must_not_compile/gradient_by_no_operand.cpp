// SPDX-License-Identifier: Apache-2.0
// The gradient is by an operand of the expression.
// expect: molmo: gradient\(e, g, x\): e has no operand of the type and shape of x
#include <molmo/expr/gradient.hpp>

#ifdef MOLMO_MISTAKE
using Operand = const molmo::bf16;
#else
using Operand = const float;
#endif

void run(molmo::View<float, molmo::Shape<16>> d, molmo::View<const float, molmo::Shape<16>> x,
         molmo::View<Operand, molmo::Shape<16>> w) {
  molmo::on(molmo::Reference{}, d) = gradient(silu(x) * x, 1, w);
}
